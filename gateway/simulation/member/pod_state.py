"""The few facts about a Pod that the controllers of workloads count by, read without decoding the rest of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.simulation.member.pod_lifecycle import FINISHED_PHASES
from gateway.storage.interface import StoredObject
from gateway.storage.object_meta import parse_timestamp


class _Condition(msgspec.Struct, gc=False):
    type: str = ""
    status: str = ""
    since: str | None = msgspec.field(name="lastTransitionTime", default=None)


class _Metadata(msgspec.Struct, gc=False):
    name: str
    created: str = msgspec.field(name="creationTimestamp", default="")
    deleted: str = msgspec.field(name="deletionTimestamp", default="")


class _Spec(msgspec.Struct, frozen=True, gc=False):
    node: str = msgspec.field(name="nodeName", default="")


class _Status(msgspec.Struct, frozen=True, gc=False):
    phase: str = ""
    conditions: tuple[_Condition, ...] = ()


class _Pod(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


_decoder = msgspec.json.Decoder(_Pod)


@dataclass(frozen=True, slots=True)
class PodState:
    """One Pod; times are seconds since the epoch, `ready_since` is None while it is not ready."""

    name: str
    phase: str = "Running"
    node: str = ""
    created: float = 0.0
    ready_since: float | None = None
    deleting: bool = False

    @property
    def active(self) -> bool:
        """Whether it counts as a replica: neither finished nor being deleted."""
        return not self.deleting and self.phase not in FINISHED_PHASES

    def available_in(self, min_ready_seconds: int, now: float) -> float | None:
        """Return the seconds until it counts as available: 0 when it does, None while it is not ready."""
        if self.ready_since is None:
            return None
        return max(0.0, self.ready_since + min_ready_seconds - now) if min_ready_seconds else 0.0


def read_pod(stored: StoredObject) -> PodState:
    """Read a stored Pod."""
    pod = _decoder.decode(stored.raw)
    ready = next((entry for entry in pod.status.conditions if entry.type == "Ready"), None)
    return PodState(
        name=pod.metadata.name,
        phase=pod.status.phase,
        node=pod.spec.node,
        created=parse_timestamp(pod.metadata.created),
        ready_since=parse_timestamp(ready.since) if ready and ready.status == "True" and ready.since else None,
        deleting=bool(pod.metadata.deleted),
    )
