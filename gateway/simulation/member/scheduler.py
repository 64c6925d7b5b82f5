"""Binds Pods that have no node to one. Decides by scheduling.py; wakes when a Pod or a Node changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.simulation.conditions import find_condition, with_condition
from gateway.simulation.events import NORMAL, WARNING, Happening, Source
from gateway.simulation.member.event_recorder import EventRecorder
from gateway.simulation.member.objects import MemberObjects
from gateway.simulation.member.pod_lifecycle import FINISHED_PHASES
from gateway.simulation.member.scheduling import assign
from gateway.storage.controllers.work_loop import WorkLoop
from gateway.storage.interface import StoredEvent
from gateway.storage.object_meta import timestamp
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext

COMPONENT = "default-scheduler"


class Scheduler:
    """The scheduler of one member."""

    def __init__(self, registry: Registry, now: Callable[[], float]) -> None:
        """Follow the store's events from now on; `run` acts on them."""
        self._registry = registry
        self._now = now
        self._pods = MemberObjects(registry, "v1", "pods", COMPONENT)
        self._nodes = MemberObjects(registry, "v1", "nodes", COMPONENT)
        self._events = EventRecorder(registry, Source(COMPONENT), now)
        self._work: WorkLoop[ObjectKey] = WorkLoop("scheduling", self._schedule)
        registry.storage.listen(self._pods.resource, self._observe_pod)
        registry.storage.listen(self._nodes.resource, lambda _: self._look_at_waiting())

    async def run(self) -> None:
        """Schedule until cancelled."""
        self._look_at_waiting()
        await self._work.run()

    def _observe_pod(self, event: StoredEvent) -> None:
        if event.object is None:
            return
        if event.type == "DELETED":
            self._look_at_waiting()  # there may be room now
        elif event.type == "ADDED":
            self._work.add(event.object.key)

    def _look_at_waiting(self) -> None:
        for stored in self._pods.stored():
            if not self._pods.definition.fields(stored)["spec.nodeName"]:
                self._work.add(stored.key)

    async def _schedule(self, key: ObjectKey) -> None:
        pod = self._pods.get(key)
        if pod is None or field(pod, "spec", "nodeName") or meta.deletion_timestamp(pod):
            return
        nodes = [self._nodes.definition.object(stored) for stored in self._nodes.stored()]
        assignment = assign(pod, nodes, self._filled())
        if assignment.node:
            await self._bind(pod, assignment.node)
        else:
            await self._report(pod, assignment.message)

    def _filled(self) -> Counter[str]:
        fields = (self._pods.definition.fields(stored) for stored in self._pods.stored())
        return Counter(each["spec.nodeName"] for each in fields if each["status.phase"] not in FINISHED_PHASES)

    async def _bind(self, pod: JsonObject, node: str) -> None:
        actions = self._registry.pod_actions(self._pods.definition)
        binding = {"metadata": {"name": meta.name(pod)}, "target": {"kind": "Node", "name": node}}
        await actions.bind(meta.key(pod), binding, WriteContext.internal(COMPONENT))
        await self._events.record(
            pod, Happening(NORMAL, "Scheduled", f"Successfully assigned {meta.key(pod)} to {node}")
        )

    async def _report(self, pod: JsonObject, message: str) -> None:
        """Say why a Pod waits, once for each reason."""
        conditions = field(pod, "status", "conditions") or []
        before = find_condition(conditions, "PodScheduled")
        if before is not None and before.get("message") == message:
            return
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        conditions = with_condition(conditions, condition, timestamp(self._now()))
        await self._pods.update_status(pod, {**pod["status"], "conditions": conditions})
        await self._events.record(pod, Happening(WARNING, "FailedScheduling", message))
