"""Keeps the Deployments of one member what the federation wants them to be.

A member that is down or frozen holds up no other: each has its own work. Deployments that were not made here are left
alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import urlencode

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.patch.patch import APPLY_PATCH
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.lister_watcher import HttpListerWatcher
from gateway.clusters.upstream import Upstream
from gateway.simulation.propagation.division import is_propagated, says_the_same
from gateway.simulation.propagation.informer import Informer
from gateway.simulation.timed_work import TimedWorkLoop

DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
FIELD_MANAGER = "fleetgate-simulation"
NOT_FOUND = 404
RETRY_SECONDS = 5.0

logger = logging.getLogger(__name__)


def deployment_path(key: ObjectKey) -> str:
    """Return the API path of a Deployment."""
    return f"{DEPLOYMENTS.group_version.path}/namespaces/{key.namespace}/{DEPLOYMENTS.resource}/{key.name}"


class MemberPropagator:
    """What one member has to have.

    Args:
        upstream: the way to the member; `name` is the member's.
        wanted: returns the Deployment it is to have, None for none; raises LookupError while that is not known.
        reported: called with the key of each Deployment that changes in the member.
    """

    def __init__(
        self,
        upstream: Upstream,
        wanted: Callable[[ObjectKey], JsonObject | None],
        reported: Callable[[ObjectKey], None],
    ) -> None:
        self.name = upstream.name
        self._upstream = upstream
        self._wanted = wanted
        self._reported = reported
        source = HttpListerWatcher(upstream, DEPLOYMENTS)
        self._informer = Informer(self.name, source, self._observe, listed=self._look_at_waiting)
        self._waiting: set[ObjectKey] = set()
        """What the federation wants of a member whose own objects are not known yet; it may have none of them."""
        self._work: TimedWorkLoop[ObjectKey] = TimedWorkLoop(f"propagation to {self.name}", self._settle)

    async def run(self) -> None:
        """Keep the member right until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run())
            tasks.create_task(self._work.run())

    def look_at(self, key: ObjectKey) -> None:
        """Say that the federation's object may have changed."""
        self._work.add(key)

    def deployment(self, key: ObjectKey) -> JsonObject | None:
        """Return what the member is known to have, None for nothing that was propagated."""
        found = self._informer.objects.get(key)
        return found if found is not None and is_propagated(found) else None

    def _observe(self, key: ObjectKey) -> None:
        self._work.add(key)
        self._reported(key)

    def _look_at_waiting(self) -> None:
        for key in self._waiting:
            self._work.add(key)
        self._waiting.clear()

    async def _settle(self, key: ObjectKey) -> None:
        if not self._informer.synced:
            self._waiting.add(key)
            return
        try:
            wanted = self._wanted(key)
        except LookupError:
            return
        try:
            await self._make(key, wanted)
        except ApiError as error:
            logger.info("%s: %s was not propagated and will be tried again: %s", self.name, key, error.message)
            self._work.add_after(key, RETRY_SECONDS)

    async def _make(self, key: ObjectKey, wanted: JsonObject | None) -> None:
        current = self.deployment(key)
        if wanted is None:
            if current is not None and not meta.deletion_timestamp(current):
                await self._delete(key)
        elif current is None or not says_the_same(current, wanted):
            try:
                await self._apply(key, wanted)
            except ApiError as error:
                if error.code != NOT_FOUND:
                    raise
                await self._create_namespace(key.namespace)
                await self._apply(key, wanted)

    async def _apply(self, key: ObjectKey, wanted: JsonObject) -> None:
        query = urlencode({"fieldManager": FIELD_MANAGER, "force": "true"})
        headers = {"Content-Type": APPLY_PATCH}
        await self._upstream.send_json("PATCH", deployment_path(key), wanted, query=query, headers=headers)

    async def _create_namespace(self, name: str) -> None:
        namespace = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        try:
            await self._upstream.send_json("POST", "/api/v1/namespaces", namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _delete(self, key: ObjectKey) -> None:
        try:
            await self._upstream.send_json("DELETE", deployment_path(key), {"propagationPolicy": "Background"})
        except ApiError as error:
            if error.code != NOT_FOUND:
                raise
