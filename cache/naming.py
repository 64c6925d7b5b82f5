"""What the served name of an object depends on where several members use one name: who is older, and who uses what.

A caller who sees some members only must not be told by a name that another member has an older object of it. So an
object carries what its name depends on, and its name in a view follows from the members that are seen there: what is
hidden counts no more than what does not exist. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Naming(msgspec.Struct, frozen=True, gc=False):
    """The members on which an object's name depends. Kept only where callers see different ones."""

    elders: tuple[str, ...] = ()
    """Whose objects of the same name are older, oldest first."""
    rivals: tuple[tuple[str, ...], ...] = ()
    """Who has an object that is really named like the qualified name, then like that name made longer, and so on."""


UNCONTESTED = Naming()


class Named(Protocol):
    """What is read of an object (cache/cached_object.py)."""

    @property
    def name(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def original_name(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def cluster(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def uid(self) -> str: ...  # noqa: D102  (the class says it)

    @property
    def naming(self) -> Naming: ...  # noqa: D102  (the class says it)


def qualified(obj: Named) -> str:
    """Return the name that is always accepted for an object.

    Objects recorded in the federation store have no cluster to be qualified by and take their uid.
    """
    return f"{obj.original_name}.{obj.cluster or obj.uid}"


def name_among(obj: Named, naming: Naming, visible: Callable[[str], bool]) -> str:
    """Return the name of an object beside the members that are seen.

    A literal name wins over a qualified one, so a name that some member really uses is made longer by the object's uid.
    """
    if not any(map(visible, naming.elders)):
        return obj.original_name
    name = qualified(obj)
    for users in naming.rivals:
        if not any(map(visible, users)):
            break
        name = f"{name}.{obj.uid}"
    return name


def seen_name(obj: Named, visible: Callable[[str], bool]) -> str:
    """Return the name under which an object is served to somebody who sees some members."""
    return name_among(obj, obj.naming, visible) if obj.naming.elders else obj.name
