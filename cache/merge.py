"""How objects of the same namespace and name in several members are told apart by name.

Clients key on namespace and name, so names must be unique in what is served. The oldest object keeps its name; each
later one is served as `<name>.<cluster>`. The names are a function of the set of objects alone, so every replica and
every restart comes to the same ones. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cache.cached_object import CachedObject
from cache.naming import UNCONTESTED, Naming, qualified


def precedence(obj: CachedObject) -> tuple[int, str]:
    """What decides who keeps the plain name: creationTimestamp, then cluster name."""
    return obj.created, obj.cluster


def namings(group: Sequence[CachedObject], users: Callable[[str], Sequence[str]]) -> Iterator[Naming]:
    """What the names of objects of one original name depend on; `group` is ordered by precedence.

    `users` tells which members have an object of that very name in the namespace.
    """
    for position, obj in enumerate(group):
        if position == 0:
            yield UNCONTESTED
            continue
        rivals: list[tuple[str, ...]] = []
        name = qualified(obj)
        while rival := tuple(users(name)):
            rivals.append(rival)
            name = f"{name}.{obj.uid}"
        yield Naming(tuple(elder.cluster for elder in group[:position]), tuple(rivals))


def original_names(name: str) -> Iterator[str]:
    """The original names whose qualified forms could read like this name: what stands before each of its dots."""
    position = name.find(".")
    while position >= 0:
        yield name[:position]
        position = name.find(".", position + 1)
