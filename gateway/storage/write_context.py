"""How a write is meant and what comes of it, below HTTP: the registry's side of a WriteRequest. Pure data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.apimachinery.meta import JsonObject
from gateway.write_request import Precondition, WriteOptions


def _ignore(text: str) -> None:
    """Warnings of writes that no client waits for."""


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Options of the client, where its warnings go, and the version of the object that admission judged.

    `duplicate_fields` is what strict decoding says of the client's bytes (`duplicate field "spec.replicas"`), and
    `long` says that they are many: then the write is worked out apart from the event loop.
    """

    options: WriteOptions = field(default_factory=lambda: WriteOptions(field_manager="fleetgate"))
    warn: Callable[[str], None] = _ignore
    precondition: Precondition | None = None
    duplicate_fields: tuple[str, ...] = ()
    long: bool = False

    @classmethod
    def internal(cls, field_manager: str) -> WriteContext:
        """The context of a write of our own controllers."""
        return cls(WriteOptions(field_manager=field_manager))


@dataclass(frozen=True, slots=True)
class Written:
    """The object after an update or patch, and whether that created it."""

    obj: JsonObject
    created: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a delete answers: the object or a Status; `finished` is False while the object is still there."""

    obj: JsonObject
    finished: bool
