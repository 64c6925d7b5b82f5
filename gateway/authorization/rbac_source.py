"""Keeps the RBAC policy of an embedded store fresh, and decides by it.

Follows the four RBAC resources by watches of the store's own process; the policy is an immutable snapshot, rebuilt
after a change and swapped whole. `load` writes what is missing of the roles every cluster begins with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionResource
from gateway.apimachinery.turns import in_turns
from gateway.authorization.authorizer import Attributes, Decision
from gateway.authorization.bootstrap_policy import cluster_role_bindings, cluster_roles
from gateway.authorization.rbac import Binding, NamedIn, Policy, PolicyRule, aggregate, authorize, role_rules
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StoredObject
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext

_GROUP, _VERSION = "rbac.authorization.k8s.io", "v1"
_RESOURCES = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")

_RETRY_DELAY = 1.0

T = TypeVar("T")

logger = logging.getLogger("gateway.authorization")


class _Read(Generic[T]):
    """The objects of one resource, each read once for as long as it stays as it is."""

    def __init__(self, read: Callable[[JsonObject], T]) -> None:
        self._read = read
        self._known: dict[ObjectKey, tuple[int, T]] = {}
        self.changes = 0

    async def of(self, definition: ResourceDefinition, listed: Sequence[StoredObject]) -> list[T]:
        """Return what they read as, in their order; `changes` counts the calls that found something new."""
        known: dict[ObjectKey, tuple[int, T]] = {}
        new = len(listed) != len(self._known)
        async for stored in in_turns(listed):
            found = self._known.get(stored.key)
            if found is None or found[0] != stored.revision:
                new, found = True, (stored.revision, self._read(definition.object(stored)))
            known[stored.key] = found
        self._known = known
        self.changes += new
        return [value for _, value in known.values()]


def _role(obj: JsonObject) -> tuple[tuple[str, str], tuple[PolicyRule, ...]]:
    return (meta.namespace(obj), meta.name(obj)), role_rules(obj)


class RbacAuthorizer:
    """Decides by the RBAC objects of an embedded store."""

    def __init__(self, registry: Registry) -> None:
        """Take the registry; call `load` before the first decision and keep `run` running."""
        self._registry = registry
        self._changed = asyncio.Event()
        self.policy = Policy()
        self._cluster_roles = _Read(lambda obj: obj)
        self._roles = _Read(_role)
        self._bindings = {name: _Read(Binding.from_object) for name in ("clusterrolebindings", "rolebindings")}
        self._aggregated: tuple[int, dict[tuple[str, str], tuple[PolicyRule, ...]]] = (0, {})

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
        """Put the policy together from what is there now, in turns: there may be thousands of bindings.

        What changes meanwhile wakes `_renew` once more.
        """
        listed = {name: await self._list(name) for name in _RESOURCES}
        cluster_roles = await self._cluster_roles.of(*listed["clusterroles"])
        if self._aggregated[0] != self._cluster_roles.changes:
            self._aggregated = (self._cluster_roles.changes, aggregate(cluster_roles))
        roles = {**self._aggregated[1], **dict(await self._roles.of(*listed["roles"]))}
        cluster_bindings = await self._bindings["clusterrolebindings"].of(*listed["clusterrolebindings"])
        named = {"": NamedIn()}
        async for binding in in_turns(cluster_bindings):
            named[""].add(binding)
        bindings: dict[str, list[Binding]] = {}
        async for binding in in_turns(await self._bindings["rolebindings"].of(*listed["rolebindings"])):
            bindings.setdefault(binding.namespace, []).append(binding)
            named.setdefault(binding.namespace, NamedIn()).add(binding)
        self.policy = Policy(roles, cluster_bindings, bindings, named)

    def _definition(self, resource: str) -> ResourceDefinition:
        definition = self._registry.find(GroupVersionResource(_GROUP, _VERSION, resource))
        if definition is None:
            raise LookupError(f"the store has no {resource}")
        return definition

    async def _list(self, resource: str) -> tuple[ResourceDefinition, Sequence[StoredObject]]:
        definition = self._definition(resource)
        page = await self._registry.list(definition, "", ListOptions())
        return definition, page.items

    async def _ensure_bootstrap_policy(self) -> None:
        for resource, objects in (("clusterroles", cluster_roles()), ("clusterrolebindings", cluster_role_bindings())):
            definition = self._definition(resource)
            for obj in objects:
                try:
                    await self._registry.create(definition, "", obj, WriteContext.internal("fleetgate"))
                except ApiError as error:
                    if error.reason != "AlreadyExists":
                        raise
