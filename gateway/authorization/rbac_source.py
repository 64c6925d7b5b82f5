"""Keeps the RBAC policy of an embedded store fresh, and decides by it.

Follows the four RBAC resources by watches of the store's own process; the policy is an immutable snapshot, rebuilt
after a change and swapped whole. `load` writes what is missing of the roles every cluster begins with.
"""

from __future__ import annotations

import asyncio
import logging

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionResource
from gateway.authorization.authorizer import Attributes, Decision
from gateway.authorization.bootstrap_policy import cluster_role_bindings, cluster_roles
from gateway.authorization.rbac import Binding, Policy, aggregate, authorize, role_rules
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext

_GROUP, _VERSION = "rbac.authorization.k8s.io", "v1"
_RESOURCES = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")

_RETRY_DELAY = 1.0

logger = logging.getLogger("gateway.authorization")


def build_policy(objects: dict[str, list[JsonObject]]) -> Policy:
    """Return the policy made of the listed objects, keyed by resource. Pure."""
    roles = aggregate(objects["clusterroles"])
    for role in objects["roles"]:
        roles[meta.namespace(role), meta.name(role)] = role_rules(role)
    bindings: dict[str, list[Binding]] = {}
    for binding in map(Binding.from_object, objects["rolebindings"]):
        bindings.setdefault(binding.namespace, []).append(binding)
    cluster_bindings = tuple(map(Binding.from_object, objects["clusterrolebindings"]))
    return Policy(roles, cluster_bindings, bindings)


class RbacAuthorizer:
    """Decides by the RBAC objects of an embedded store."""

    def __init__(self, registry: Registry) -> None:
        """Take the registry; call `load` before the first decision and keep `run` running."""
        self._registry = registry
        self._changed = asyncio.Event()
        self.policy = Policy()

    async def authorize(self, attributes: Attributes) -> Decision:
        """Return the decision for one request."""
        return authorize(self.policy, attributes)

    async def load(self) -> None:
        """Write what is missing of the bootstrap policy, and read all of it."""
        await self._ensure_bootstrap_policy()
        await self._read()

    async def run(self) -> None:
        """Follow changes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for resource in _RESOURCES:
                tasks.create_task(self._follow(resource), name=f"rbac {resource}")
            tasks.create_task(self._renew(), name="rbac policy")

    async def _follow(self, resource: str) -> None:
        while True:
            watch = await self._registry.watch(self._definition(resource), "", ListOptions(watch=True))
            try:
                while await watch.next_batch():
                    self._changed.set()
            finally:
                watch.close()

    async def _renew(self) -> None:
        """Read the policy anew after every change, one reading at a time: an older one never replaces a newer one."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._read()
            except ApiError as error:
                logger.error("the RBAC policy could not be read again; the one in use stays: %s", error.message)
                await asyncio.sleep(_RETRY_DELAY)
                self._changed.set()

    async def _read(self) -> None:
        self.policy = build_policy({name: await self._list(name) for name in _RESOURCES})

    def _definition(self, resource: str) -> ResourceDefinition:
        definition = self._registry.find(GroupVersionResource(_GROUP, _VERSION, resource))
        if definition is None:
            raise LookupError(f"the store has no {resource}")
        return definition

    async def _list(self, resource: str) -> list[JsonObject]:
        definition = self._definition(resource)
        page = await self._registry.list(definition, "", ListOptions())
        return [definition.object(stored) for stored in page.items]

    async def _ensure_bootstrap_policy(self) -> None:
        for resource, objects in (("clusterroles", cluster_roles()), ("clusterrolebindings", cluster_role_bindings())):
            definition = self._definition(resource)
            for obj in objects:
                try:
                    await self._registry.create(definition, "", obj, WriteContext.internal("fleetgate"))
                except ApiError as error:
                    if error.reason != "AlreadyExists":
                        raise
