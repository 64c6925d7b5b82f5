"""What the core and a worker say to each other, over a socket that only the two of them have.

Frames are arrays of messages, in an order that matters: an answer comes behind every step of the log that was known
when it was given. So whoever has been answered has what was true then, which is all it takes to read one's own writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from cache.replication import Condition, Step
from gateway.audit.config import AuditConfig
from gateway.audit.record import AuditRecord
from gateway.authorization.authorizer import Attributes, Decision


class Settings(msgspec.Struct, frozen=True):
    """What a worker has to know of the configuration."""

    data_dir: str
    host: str
    names: tuple[str, ...]
    client_authorities: tuple[str, ...]
    allow: tuple[str, ...]
    deny: tuple[str, ...]
    audit: AuditConfig
    slot: int
    """Of the resourceVersions."""
    answers_reads: bool
    """Whether the merged view is the same for everybody; otherwise the core answers all requests."""
    uncompressed: int
    """Bytes that objects may take in all before those that are not in use are compressed."""
    shutdown_grace: float
    log_level: int


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The first thing a worker hears."""

    settings: Settings


class State(msgspec.Struct, frozen=True, array_like=True, tag="state"):
    """Some of the objects that a kind begins with."""

    kind: int
    steps: Sequence[Step]


class Began(msgspec.Struct, frozen=True, array_like=True, tag="began"):
    """These were all, at that version."""

    kind: int
    revision: int


class Log(msgspec.Struct, frozen=True, array_like=True, tag="log"):
    """What happened next, which leads to a version."""

    kind: int
    steps: Sequence[Step]
    revision: int


class Told(msgspec.Struct, frozen=True, array_like=True, tag="told"):
    """How current everything of a kind is."""

    kind: int
    condition: Condition


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """What came of a question: a decision, an error, or neither where something was merely to be done."""

    number: int
    decision: Decision | None = None
    status: dict[str, Any] | None = None


class Open(msgspec.Struct, frozen=True, array_like=True, tag="open"):
    """Everything to begin with was told: connections may be accepted."""


class Drain(msgspec.Struct, frozen=True, array_like=True, tag="drain"):
    """End in order."""


ToWorker = Hello | State | Began | Log | Told | Answer | Open | Drain


class Accepting(msgspec.Struct, frozen=True, array_like=True, tag="accepting"):
    """The worker takes its connections from now on."""


class Ask(msgspec.Struct, frozen=True, array_like=True, tag="ask"):
    """May somebody do this?"""

    number: int
    attributes: Attributes


class Record(msgspec.Struct, frozen=True, array_like=True, tag="record"):
    """Write this into the audit log; answered once it is there."""

    number: int
    record: AuditRecord


class Measured(msgspec.Struct, frozen=True, array_like=True, tag="measured"):
    """The worker's metrics as they stand, see `measured`."""

    families: Sequence[MeasuredFamily]


class MeasuredSample(msgspec.Struct, frozen=True, array_like=True):
    """One number."""

    name: str
    labels: dict[str, str]
    value: float


class MeasuredFamily(msgspec.Struct, frozen=True, array_like=True):
    """All numbers of one metric."""

    name: str
    type: str
    documentation: str
    samples: Sequence[MeasuredSample]


ToCore = Accepting | Ask | Record | Measured


class Peer(msgspec.Struct, frozen=True, array_like=True):
    """Whose connection a worker hands on to the core."""

    certificate: bytes | None
    """What was presented (DER); it is judged by the core, for every request."""
    address: str
    port: int
