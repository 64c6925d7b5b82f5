"""Pretends to run the Pods of a member's nodes. Decides by pod_lifecycle.py; one kubelet stands for all nodes.

No container, image or command is ever started, fetched or run.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.simulation.events import Source
from gateway.simulation.member.event_recorder import EventRecorder
from gateway.simulation.member.objects import MemberObjects
from gateway.simulation.member.pod_lifecycle import PodStep, next_step
from gateway.simulation.member.scheduling import free_address
from gateway.simulation.timed_work import TimedWorkLoop
from gateway.storage.interface import StoredEvent
from gateway.storage.registry import Registry

COMPONENT = "kubelet"


class Kubelet:
    """The kubelet of one member."""

    def __init__(self, registry: Registry, now: Callable[[], float]) -> None:
        """Follow the store's events from now on; `run` acts on them."""
        self._now = now
        self._pods = MemberObjects(registry, "v1", "pods", COMPONENT)
        self._nodes = MemberObjects(registry, "v1", "nodes", COMPONENT)
        self._events = EventRecorder(registry, Source(COMPONENT), now)
        self._work: TimedWorkLoop[ObjectKey] = TimedWorkLoop("running", self._look_after)
        self._stopping: set[str] = set()
        """UIDs of deleted Pods whose end was told already."""
        registry.storage.listen(self._pods.resource, self._observe)

    async def run(self) -> None:
        """Look after every Pod until cancelled."""
        for stored in self._pods.stored():
            self._work.add(stored.key)
        await self._work.run()

    def _observe(self, event: StoredEvent) -> None:
        if event.object is None:
            return
        if event.type == "DELETED":
            self._stopping.discard(event.object.metadata.uid)
        else:
            self._work.add(event.object.key)

    async def _look_after(self, key: ObjectKey) -> None:
        pod = self._pods.get(key)
        node = self._nodes.get(ObjectKey("", field(pod or {}, "spec", "nodeName") or ""))
        if pod is None or node is None:
            return
        step = next_step(pod, self._now(), _internal_address(node), self._address(pod, node))
        if step.remove:
            await self._pods.delete(key, uid=meta.uid(pod), grace_period_seconds=0)
            return
        if step.status is not None:
            pod = await self._pods.update_status(pod, step.status)
        await self._tell(pod, step)
        if step.wait is not None:
            self._work.add_after(key, step.wait)

    async def _tell(self, pod: JsonObject, step: PodStep) -> None:
        if meta.deletion_timestamp(pod):
            if meta.uid(pod) in self._stopping:
                return
            self._stopping.add(meta.uid(pod))
        await self._events.record(pod, *step.happenings, host=pod["spec"]["nodeName"])

    def _address(self, pod: JsonObject, node: JsonObject) -> str:
        if assigned := field(pod, "status", "podIP"):
            return str(assigned)
        if field(pod, "spec", "hostNetwork"):
            return _internal_address(node)
        taken = {self._pods.definition.fields(stored)["status.podIP"] for stored in self._pods.stored()}
        return free_address(node["spec"]["podCIDR"], taken)


def _internal_address(node: JsonObject) -> str:
    addresses = field(node, "status", "addresses") or []
    return next((str(each["address"]) for each in addresses if each.get("type") == "InternalIP"), "")
