"""How objects of the same namespace and name in several members are told apart by name.

Clients key on namespace and name, so names must be unique in what is served. The oldest object keeps its name; each
later one is served as `<name>.<cluster>`. The names are a function of the set of objects alone, so every replica and
every restart comes to the same ones. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cache.cached_object import CachedObject


def precedence(obj: CachedObject) -> tuple[int, str]:
    """What decides who keeps the plain name: creationTimestamp, then cluster name."""
    return obj.created, obj.cluster


def qualified_name(obj: CachedObject, is_literal: Callable[[str], bool]) -> str:
    """The name of an object that may not use its own.

    A literal name wins over a qualified one, so a name that some member really uses is made longer by the object's uid.
    Objects recorded in the federation store have no cluster to be qualified by and take their uid.
    """
    name = f"{obj.original_name}.{obj.cluster or obj.uid}"
    while is_literal(name):
        name = f"{name}.{obj.uid}"
    return name


def served_names(group: Sequence[CachedObject], is_literal: Callable[[str], bool]) -> list[str]:
    """The names under which objects of one original name are served; `group` is ordered by precedence.

    `is_literal` tells whether any member has an object of that very name in the namespace.
    """
    return [
        obj.original_name if position == 0 else qualified_name(obj, is_literal) for position, obj in enumerate(group)
    ]


def original_names(name: str) -> Iterator[str]:
    """The original names whose qualified forms could read like this name: what stands before each of its dots."""
    position = name.find(".")
    while position >= 0:
        yield name[:position]
        position = name.find(".", position + 1)
