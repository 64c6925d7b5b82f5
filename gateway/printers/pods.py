"""The Table of Pods: READY, STATUS, RESTARTS and the rest, as kubectl users know them. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go` printPod, as of 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.printers.cells import AGE_COLUMN, NAME_COLUMN, NONE
from gateway.printers.columns import Column
from gateway.printers.row import Cell, PreparedRow, Slot, age_cell, prepare_row
from gateway.printers.served import ServedAnnotations
from gateway.printers.timestamps import epoch

COLUMNS = (
    NAME_COLUMN,
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        description="The number of times the containers in this pod have been restarted and when the last container "
        "in this pod has restarted.",
    ),
    AGE_COLUMN,
    Column("IP", description="The IP address of the pod, once it has one.", priority=1),
    Column("Node", description="The node the pod was scheduled to.", priority=1),
    Column("Nominated Node", description="The node where preemption is making room for the pod.", priority=1),
    Column("Readiness Gates", description="How many of the pod's readiness gates are true.", priority=1),
)


class _Terminated(msgspec.Struct, gc=False, rename="camel"):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    finished_at: str | None = None


class _Waiting(msgspec.Struct, gc=False):
    reason: str = ""


class _Running(msgspec.Struct, gc=False):
    """What is in it does not matter."""


class _State(msgspec.Struct, gc=False):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _ContainerStatus(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: _State = msgspec.field(default_factory=_State)
    last_state: _State = msgspec.field(default_factory=_State)


class _Condition(msgspec.Struct, gc=False):
    type: str = ""
    status: str = ""
    reason: str = ""


class _PodIP(msgspec.Struct, gc=False):
    ip: str = ""


class _Status(msgspec.Struct, gc=False, rename="camel"):
    phase: str = ""
    reason: str = ""
    conditions: list[_Condition] = []
    init_container_statuses: list[_ContainerStatus] = []
    container_statuses: list[_ContainerStatus] = []
    pod_i_ps: list[_PodIP] = msgspec.field(name="podIPs", default_factory=list)
    nominated_node_name: str = ""


class _Container(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    restart_policy: str | None = None


class _Gate(msgspec.Struct, gc=False, rename="camel"):
    condition_type: str = ""


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    containers: list[_Container] = []
    init_containers: list[_Container] = []
    node_name: str = ""
    readiness_gates: list[_Gate] | None = None


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class _ServedMetadata(_Metadata, gc=False, rename="camel"):
    name: str | None = None
    annotations: ServedAnnotations | None = None


class _ServedPod(msgspec.Struct, gc=False):
    """What the row of a Pod is made of, read in one go: most of the time of making one goes over what is not shown."""

    metadata: _ServedMetadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


_served_of = msgspec.json.Decoder(_ServedPod).decode
_metadata_of = msgspec.json.Decoder(_Metadata).decode
_spec_of = msgspec.json.Decoder(_Spec).decode
_status_of = msgspec.json.Decoder(_Status).decode


@dataclass(slots=True)
class _Restarts:
    count: int = 0
    last: float | None = None

    def add(self, status: _ContainerStatus) -> None:
        self.count += status.restart_count
        terminated = status.last_state.terminated
        finished = epoch(terminated.finished_at) if terminated else None
        if finished is not None and (self.last is None or finished > self.last):
            self.last = finished

    def cell(self) -> Cell:
        if self.count and self.last is not None:
            return age_cell(self.last, f"{self.count} (", " ago)")
        return str(self.count)


class _Summary:
    """Walks over the containers in the order that decides what STATUS says."""

    def __init__(self, metadata: _Metadata, spec: _Spec, status: _Status) -> None:
        self._metadata, self._spec, self._status = metadata, spec, status
        self._sidecars = {each.name for each in spec.init_containers if each.restart_policy == "Always"}
        self.ready = 0
        self.total = len(spec.containers) + len(self._sidecars)
        self.restarts = _Restarts()
        self._sidecar_restarts = _Restarts()
        self.reason = self._decide()

    def _condition(self, kind: str) -> _Condition | None:
        return next((each for each in self._status.conditions if each.type == kind), None)

    def _is_true(self, kind: str) -> bool:
        condition = self._condition(kind)
        return condition is not None and condition.status == "True"

    def _decide(self) -> str:
        reason = self._status.reason or self._status.phase
        scheduled = self._condition("PodScheduled")
        if scheduled is not None and scheduled.reason == "SchedulingGated":
            reason = "SchedulingGated"
        initializing = self._init_reason()
        reason = initializing or reason
        if not initializing or self._is_true("Initialized"):
            reason = self._container_reason(reason)
        if self._metadata.deletion_timestamp:
            if self._status.reason == "NodeLost":
                return "Unknown"
            if self._status.phase not in {"Succeeded", "Failed"}:
                return "Terminating"
        return reason

    def _init_reason(self) -> str:
        """Return what the first unfinished init container says, or an empty string."""
        for index, status in enumerate(self._status.init_container_statuses):
            self.restarts.add(status)
            sidecar = status.name in self._sidecars
            if sidecar:
                self._sidecar_restarts.add(status)
            terminated, waiting = status.state.terminated, status.state.waiting
            if terminated is not None and terminated.exit_code == 0:
                continue
            if sidecar and status.started:
                self.ready += status.ready
                continue
            if terminated is not None:
                return f"Init:{_terminated_text(terminated)}"
            if waiting is not None and waiting.reason and waiting.reason != "PodInitializing":
                return f"Init:{waiting.reason}"
            return f"Init:{index}/{len(self._spec.init_containers)}"
        return ""

    def _container_reason(self, reason: str) -> str:
        self.restarts = self._sidecar_restarts
        running = False
        failed = ""
        for status in reversed(self._status.container_statuses):
            self.restarts.add(status)
            terminated, waiting = status.state.terminated, status.state.waiting
            if waiting is not None and waiting.reason:
                reason = waiting.reason
            elif terminated is not None:
                reason = _terminated_text(terminated)
                if terminated.exit_code != 0:
                    failed = reason
            elif status.ready and status.state.running is not None:
                running = True
                self.ready += 1
        if reason != "Completed":
            return reason
        if running and self._is_true("Ready"):
            return "Running"
        if failed:
            return failed
        return "NotReady" if running else reason


def _terminated_text(terminated: _Terminated) -> str:
    if terminated.reason:
        return terminated.reason
    return f"Signal:{terminated.signal}" if terminated.signal else f"ExitCode:{terminated.exit_code}"


def _gates(spec: _Spec, status: _Status) -> str:
    if not spec.readiness_gates:
        return NONE
    found = {
        condition.type: condition.status for condition in reversed(status.conditions)
    }  # the first of a type counts
    met = sum(found.get(gate.condition_type) == "True" for gate in spec.readiness_gates)
    return f"{met}/{len(spec.readiness_gates)}"


_ROW_CONDITIONS = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def _cells(metadata: _Metadata, spec: _Spec, status: _Status) -> tuple[list[Cell], list[dict[str, Any]]]:
    """Return the cells of a Pod in the order of COLUMNS, and its row conditions."""
    summary = _Summary(metadata, spec, status)
    cells: list[Cell] = [
        Slot.NAME,
        f"{summary.ready}/{summary.total}",
        summary.reason,
        summary.restarts.cell(),
        age_cell(epoch(metadata.creation_timestamp)),
        (status.pod_i_ps[0].ip if status.pod_i_ps else "") or NONE,
        spec.node_name or NONE,
        status.nominated_node_name or NONE,
        _gates(spec, status),
    ]
    message = _ROW_CONDITIONS.get(status.phase)
    if message is None:
        return cells, []
    return cells, [{"type": "Completed", "status": "True", "reason": status.phase, "message": message}]


_EMPTY = msgspec.Raw(b"{}")


def prepare_pod(sections: Mapping[str, msgspec.Raw], extra: Sequence[tuple[int, Cell]] = ()) -> PreparedRow:
    """Render a Pod from the sections of its JSON; `extra` cells are inserted at their index.

    Never raises: a member's broken Pod is still listed, with `<unknown>` where it cannot be read.
    """
    try:
        metadata, spec, status = (sections.get(name, _EMPTY) for name in ("metadata", "spec", "status"))
        cells, conditions = _cells(_metadata_of(metadata), _spec_of(spec), _status_of(status))
    except msgspec.MsgspecError:
        cells, conditions = [Slot.NAME, *["<unknown>"] * (len(COLUMNS) - 1)], []
    for index, cell in extra:
        cells.insert(index, cell)
    return prepare_row(cells, conditions)


def prepare_served_pod(raw: bytes, cluster_index: int) -> PreparedRow | None:
    """Render a Pod of the merged view from its JSON, with its name and its member, whose cell stands at that index.

    None where any of it cannot be read, or it does not say its name: `prepare_pod` shows what there is of such a Pod.
    """
    try:
        pod = _served_of(raw)
    except msgspec.MsgspecError:
        return None
    metadata = pod.metadata
    if metadata.name is None:
        return None
    cells, conditions = _cells(metadata, pod.spec, pod.status)
    cells[0] = metadata.name
    cells.insert(cluster_index, metadata.annotations.cluster if metadata.annotations else "")
    return prepare_row(cells, conditions)
