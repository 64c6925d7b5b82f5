"""The life of a Pod on a simulated node, decided from its own object and the time. Pure; kubelet.py carries it out.

    scheduled --> ContainerCreating --> Running --> Succeeded or Failed

From each of these a deleted Pod stops, and is removed. All that is remembered stands in the Pod's status, so a member
that was stopped goes on where it was.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.conditions import with_condition
from gateway.simulation.events import NORMAL, Happening
from gateway.simulation.member.container_states import (
    ContainerPlace,
    ContainerStep,
    completed,
    moved_on,
    pulling,
    started,
    waiting,
)
from gateway.storage.object_meta import parse_timestamp, timestamp

FINISHED_PHASES = frozenset({"Failed", "Succeeded"})

_STOP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class PodStep:
    """What a kubelet does next: write a status, tell what happened, remove the Pod, look again in `wait` seconds."""

    status: JsonObject | None = None
    happenings: tuple[Happening, ...] = ()
    wait: float | None = None
    remove: bool = False


def next_step(pod: JsonObject, now: float, host: str, address: str) -> PodStep:
    """Decide for a Pod that is assigned to a node with the address `host`; `address` is for a Pod that has none yet."""
    status = pod.get("status") or {}
    if meta.deletion_timestamp(pod):
        return _stop(pod, now)
    if status.get("phase") in FINISHED_PHASES:
        return PodStep()
    if not status.get("startTime"):
        return _admit(pod, now, host)
    if status.get("phase") == "Pending":
        return _start(pod, now, address)
    return _follow(pod, now)


def _places(pod: JsonObject, field_name: str = "containers") -> list[ContainerPlace]:
    return [ContainerPlace(pod, container) for container in field(pod, "spec", field_name) or []]


def _pull_seconds(pod: JsonObject) -> float:
    """Return how long the images of a Pod take: one to two seconds, different for each Pod."""
    return 1 + zlib.crc32(meta.uid(pod).encode()) % 1000 / 1000


def _admit(pod: JsonObject, now: float, host: str) -> PodStep:
    places, first = _places(pod), _places(pod, "initContainers")
    status = {
        **(pod.get("status") or {}),
        "phase": "Pending",
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "startTime": timestamp(now),
        "containerStatuses": [waiting(place, "PodInitializing" if first else "ContainerCreating") for place in places],
    }
    if first:
        status["initContainerStatuses"] = [waiting(place, "PodInitializing") for place in first]
    conditions = [_condition("PodReadyToStartContainers", holds=False), _initialized(first, done=not first)]
    status["conditions"] = _with_conditions(status, [*conditions, *_readiness(status)], now)
    return PodStep(status, tuple(pulling(place) for place in places))


def _start(pod: JsonObject, now: float, address: str) -> PodStep:
    took = _pull_seconds(pod)
    due = parse_timestamp(pod["status"]["startTime"]) + took
    if now < due:
        return PodStep(wait=due - now)
    steps = [started(place, now, took) for place in _places(pod)]
    first = _places(pod, "initContainers")
    status = {
        **pod["status"],
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "containerStatuses": [step.status for step in steps],
    }
    if first:
        status["initContainerStatuses"] = [completed(place, now) for place in first]
    conditions = [_condition("PodReadyToStartContainers"), _initialized(first, done=True), *_readiness(status)]
    status["conditions"] = _with_conditions(status, conditions, now)
    return PodStep(status, _happenings(steps), _soonest(steps))


def _follow(pod: JsonObject, now: float) -> PodStep:
    before = {entry["name"]: entry for entry in pod["status"].get("containerStatuses") or []}
    places = [place for place in _places(pod) if place.name in before]
    steps = [moved_on(place, before[place.name], now) for place in places]
    statuses = [step.status for step in steps]
    if statuses == list(before.values()):
        return PodStep(wait=_soonest(steps))
    status = {**pod["status"], "containerStatuses": statuses, "phase": _phase(places, statuses)}
    status["conditions"] = _with_conditions(status, _readiness(status), now)
    return PodStep(status, _happenings(steps), _soonest(steps))


def _stop(pod: JsonObject, now: float) -> PodStep:
    """Let a deleted Pod stop: within its grace period, but never slower than a server that obeys SIGTERM."""
    grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
    if not grace:
        return PodStep()  # held by finalizers alone, which are not a kubelet's
    running = [
        ContainerPlace(pod, entry)
        for entry in field(pod, "status", "containerStatuses") or []
        if "running" in (entry.get("state") or {})
    ]
    stopped = parse_timestamp(meta.deletion_timestamp(pod)) - grace + min(grace, _STOP_SECONDS)
    if not running or now >= stopped:
        return PodStep(remove=True)
    killing = tuple(place.happened(NORMAL, "Killing", f"Stopping container {place.name}") for place in running)
    return PodStep(happenings=killing, wait=stopped - now)


def _happenings(steps: Sequence[ContainerStep]) -> tuple[Happening, ...]:
    return tuple(happening for step in steps for happening in step.happenings)


def _soonest(steps: Sequence[ContainerStep]) -> float | None:
    return min((step.wait for step in steps if step.wait is not None), default=None)


def _phase(places: Sequence[ContainerPlace], statuses: Sequence[JsonObject]) -> str:
    exits = [field(status, "state", "terminated", "exitCode") for status in statuses]
    if any(code is None or place.restarts_after(code) for place, code in zip(places, exits, strict=True)):
        return "Running"
    return "Failed" if any(exits) else "Succeeded"


def _condition(kind: str, *, holds: bool = True, reason: str = "", message: str = "") -> JsonObject:
    entry: JsonObject = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None}
    return entry | ({"reason": reason, "message": message} if reason else {})


def _initialized(first: Sequence[ContainerPlace], *, done: bool) -> JsonObject:
    if done:
        return _condition("Initialized")
    names = " ".join(place.name for place in first)
    message = f"containers with incomplete status: [{names}]"
    return _condition("Initialized", holds=False, reason="ContainersNotInitialized", message=message)


def _readiness(status: JsonObject) -> list[JsonObject]:
    """Return the conditions Ready and ContainersReady."""
    unready = [entry["name"] for entry in status["containerStatuses"] if not entry["ready"]]
    if status["phase"] == "Succeeded":
        return [_condition(kind, holds=False, reason="PodCompleted") for kind in ("Ready", "ContainersReady")]
    if status["phase"] == "Failed":
        return [_condition(kind, holds=False, reason="PodFailed") for kind in ("Ready", "ContainersReady")]
    if not unready:
        return [_condition("Ready"), _condition("ContainersReady")]
    message = f"containers with unready status: [{' '.join(unready)}]"
    return [
        _condition(kind, holds=False, reason="ContainersNotReady", message=message)
        for kind in ("Ready", "ContainersReady")
    ]


def _with_conditions(status: JsonObject, changed: Sequence[JsonObject], now: float) -> list[JsonObject]:
    conditions: Sequence[JsonObject] = status.get("conditions") or []
    for condition in changed:
        conditions = with_condition(conditions, condition, timestamp(now))
    return list(conditions)
