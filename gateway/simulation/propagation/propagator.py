"""Carries Deployments from the federation to the members, and their status back.

Follows the federation's Deployments, has each member made right by its MemberPropagator, and writes the aggregated
status. Only Deployments are carried; what their Pods refer to is the user's to create.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.upstream import Upstream
from gateway.simulation.events import NORMAL, Happening, Source, build_event
from gateway.simulation.propagation.aggregation import aggregated_status
from gateway.simulation.propagation.division import divide, member_deployment, replicas_of
from gateway.simulation.propagation.informer import Informer
from gateway.simulation.propagation.member_propagator import (
    DEPLOYMENTS,
    FIELD_MANAGER,
    NOT_FOUND,
    RETRY_SECONDS,
    MemberPropagator,
    deployment_path,
)
from gateway.simulation.timed_work import TimedWorkLoop

_MERGE_PATCH = "application/merge-patch+json"

logger = logging.getLogger(__name__)


class Propagator:
    """All members, and the federation they belong to.

    Args:
        federation: the way to the gateway, as the simulation's own user.
        members: the ways to the members, each with the member's name.
        now: seconds since the epoch.
    """

    def __init__(self, federation: Upstream, members: Sequence[Upstream], now: Callable[[], float]) -> None:
        self._federation = federation
        self._now = now
        self._informer = Informer("the federation", HttpListerWatcher(federation, DEPLOYMENTS), self._observe)
        self._work: TimedWorkLoop[ObjectKey] = TimedWorkLoop("aggregation of", self._report)
        self._told: dict[ObjectKey, int] = {}
        """Replicas whose division an Event has told."""
        self._members = [
            MemberPropagator(upstream, partial(self._wanted, index, len(members)), self._work.add)
            for index, upstream in enumerate(members)
        ]

    async def run(self) -> None:
        """Propagate until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run())
            tasks.create_task(self._work.run())
            for member in self._members:
                tasks.create_task(member.run())

    def _observe(self, key: ObjectKey) -> None:
        self._work.add(key)
        for member in self._members:
            member.look_at(key)

    def _wanted(self, index: int, members: int, key: ObjectKey) -> JsonObject | None:
        if not self._informer.synced:
            raise LookupError(key)
        deployment = self._informer.objects.get(key)
        if deployment is None or meta.deletion_timestamp(deployment):
            return None
        return member_deployment(deployment, replicas_of(deployment, index, members))

    async def _report(self, key: ObjectKey) -> None:
        """Write the status that the members' objects amount to."""
        deployment = self._informer.objects.get(key)
        if deployment is None or meta.deletion_timestamp(deployment):
            self._told.pop(key, None)
            return
        before = deployment.get("status") or {}
        parts = {member.name: member.deployment(key) for member in self._members}
        status = aggregated_status(deployment, parts, self._now())
        try:
            await self._tell_division(deployment)
            if status != before:
                patch = {"status": {name: status.get(name) for name in before.keys() | status.keys()}}
                headers = {"Content-Type": _MERGE_PATCH}
                await self._federation.send_json("PATCH", f"{deployment_path(key)}/status", patch, headers=headers)
        except ApiError as error:
            if error.code != NOT_FOUND:
                logger.info("the status of %s was not written and will be tried again: %s", key, error.message)
                self._work.add_after(key, RETRY_SECONDS)

    async def _tell_division(self, deployment: JsonObject) -> None:
        """Record how the replicas are divided, once for each number of them."""
        replicas = deployment["spec"].get("replicas") or 0
        observed = meta.field(deployment, "status", "observedGeneration")
        known = self._told.get(meta.key(deployment)) == replicas
        if known or observed == deployment["metadata"].get("generation"):
            return
        self._told[meta.key(deployment)] = replicas
        shares = zip(self._members, divide(replicas, len(self._members)), strict=True)
        text = "Divided over the members: " + ", ".join(f"{member.name} {share}" for member, share in shares)
        subject = {"kind": "Deployment", "apiVersion": "apps/v1", **deployment}
        happening = Happening(NORMAL, "ReplicasDivided", text)
        number = int(self._now() * 1e9)
        event = build_event(subject, happening, Source(FIELD_MANAGER), self._now(), number)
        path = f"/api/v1/namespaces/{event['metadata']['namespace']}/events"
        await self._federation.send_json("POST", path, event)
