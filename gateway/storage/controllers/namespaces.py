"""Namespaces begin with a ServiceAccount and a CA bundle in them, and end with their content.

After kube-controller-manager's namespace, serviceaccount and root-ca-certificate-publisher controllers.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.controllers.bootstrap import NAMESPACES
from gateway.storage.controllers.object_registry import MERGE_PATCH, ObjectRegistry
from gateway.storage.controllers.work_loop import WorkLoop
from gateway.storage.defaulting.reading import objects
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import StorageError, StoredEvent, StoredObject
from gateway.storage.object_meta import timestamp
from gateway.storage.strategies.namespaces import KUBERNETES_FINALIZER
from gateway.storage.write_context import WriteContext
from gateway.write_request import DeleteOptions

ROOT_CA_NAME = "kube-root-ca.crt"
_DEFAULT_ACCOUNT = "default"
_PROVISIONED = {"serviceaccounts": _DEFAULT_ACCOUNT, "configmaps": ROOT_CA_NAME}
_NAMESPACES = "namespaces"

logger = logging.getLogger(__name__)

_CONTEXT = WriteContext.internal("kube-controller-manager")

_REASONS = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
"""What each condition of an ending namespace says while nothing is in the way."""


class NamespaceController:
    """Provisions the namespaces of one store and empties those that end."""

    def __init__(self, registry: ObjectRegistry, *, root_ca: str, now: Callable[[], float]) -> None:
        """Follow the store's events from now on; `root_ca` is published in every namespace unless it is empty."""
        self._registry = registry
        self._root_ca = root_ca
        self._now = now
        self._work: WorkLoop[str] = WorkLoop("namespace", self._process)
        registry.storage.listen("", self._observe)

    async def run(self) -> None:
        """Look after every namespace until cancelled."""
        for stored in self._registry.storage.list(_NAMESPACES):
            self._work.add(stored.key.name)
        await self._work.run()

    async def provision_all(self) -> None:
        """Provision the namespaces there are."""
        for stored in self._registry.storage.list(_NAMESPACES):
            if not stored.metadata.deletion_timestamp:
                await self._provision(stored.key.name)

    def _observe(self, event: StoredEvent) -> None:
        if event.object is None:
            return
        if event.resource == _NAMESPACES:
            self._work.add(event.object.key.name)
            return
        namespace = self._registry.storage.get(_NAMESPACES, ObjectKey("", event.object.key.namespace))
        if namespace is None:
            return
        lost = event.type == "DELETED" and event.object.key.name == _PROVISIONED.get(event.resource)
        if lost or namespace.metadata.deletion_timestamp:
            self._work.add(namespace.key.name)

    async def _process(self, name: str) -> None:
        namespace = self._registry.storage.get(_NAMESPACES, ObjectKey("", name))
        if namespace is None:
            return
        if namespace.metadata.deletion_timestamp:
            await self._empty(namespace)
        else:
            await self._provision(name)

    async def _provision(self, namespace: str) -> None:
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": _DEFAULT_ACCOUNT}}
        await self._ensure("serviceaccounts", namespace, account)
        if self._root_ca:
            bundle = {
                "kind": "ConfigMap",
                "apiVersion": "v1",
                "metadata": {"name": ROOT_CA_NAME},
                "data": {"ca.crt": self._root_ca},
            }
            await self._ensure("configmaps", namespace, bundle)

    async def _ensure(self, resource: str, namespace: str, obj: JsonObject) -> None:
        """Create an object that is missing, or give it the content it must have."""
        definition = self._registry.find(GroupVersionResource("", "v1", resource))
        if definition is None:
            return
        key = ObjectKey(namespace, obj["metadata"]["name"])
        stored = self._registry.storage.get(definition.storage_key, key)
        if stored is None:
            try:
                await self._registry.create(definition, namespace, obj, _CONTEXT)
            except ApiError as error:
                if error.code not in {403, 404, 409}:  # ending, gone, or somebody was faster
                    raise
        elif "data" in obj and stored.decode().get("data") != obj["data"]:
            await self._registry.patch(definition, key, MERGE_PATCH, {"data": obj["data"]}, _CONTEXT)

    async def _empty(self, namespace: StoredObject) -> None:
        """Delete what is in the namespace; when nothing is left, let go of the namespace itself."""
        name = namespace.key.name
        failures: list[str] = []
        for definition, stored in self._content(name):
            if stored.metadata.deletion_timestamp:
                continue
            options = DeleteOptions(propagation_policy="Background")
            try:
                await self._registry.delete(definition, stored.key, options, _CONTEXT)
            except ApiError as error:
                if error.code != 404:
                    failures.append(error.message)
            except StorageError:
                raise
            except Exception:
                logger.exception("%s %s cannot be deleted", definition.storage_key, stored.key)
                failures.append(f"{definition.storage_key} {stored.key.name} cannot be deleted")
        remaining = [(definition.storage_key, stored) for definition, stored in self._content(name)]
        if remaining or failures:
            await self._report(namespace.key, remaining, failures)
        else:
            await self._finalize(namespace)

    def _content(self, namespace: str) -> Iterator[tuple[ResourceDefinition, StoredObject]]:
        for definition in self._registry.stored_resources():
            if definition.namespaced:
                for stored in self._registry.storage.list(definition.storage_key, namespace):
                    yield definition, stored

    async def _finalize(self, namespace: StoredObject) -> None:
        definition = self._registry.find(NAMESPACES)
        current = self._registry.storage.get(_NAMESPACES, namespace.key)
        if definition is None or current is None:
            return
        obj = definition.object(current)
        finalizers = [name for name in field(obj, "spec", "finalizers") or [] if name != KUBERNETES_FINALIZER]
        obj["spec"] = {"finalizers": finalizers}
        await self._registry.update(definition, namespace.key, obj, _CONTEXT, subresource="finalize")

    async def _report(self, key: ObjectKey, remaining: list[tuple[str, StoredObject]], failures: list[str]) -> None:
        """Say in the namespace's conditions what it still waits for."""
        definition = self._registry.find(NAMESPACES)
        stored = self._registry.storage.get(_NAMESPACES, key)
        if definition is None or stored is None:
            return
        before = objects(field(definition.object(stored), "status"), "conditions")
        conditions = namespace_conditions(remaining, failures, before, timestamp(self._now()))
        if conditions != before:
            patch = {"status": {"conditions": conditions}}
            await self._registry.patch(definition, key, MERGE_PATCH, patch, _CONTEXT, subresource="status")


def namespace_conditions(
    remaining: list[tuple[str, StoredObject]], failures: list[str], before: list[JsonObject], now: str
) -> list[JsonObject]:
    """Return the conditions of a namespace that ends: what is left in it and which finalizers hold that."""
    wrong: dict[str, tuple[str, str]] = {}
    if failures:
        text = f"Failed to delete all resource types, {len(failures)} remaining: {', '.join(sorted(failures))}"
        wrong["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", text)
    if remaining:
        counts = Counter(resource if "." in resource else f"{resource}." for resource, _ in remaining)
        listed = ", ".join(f"{resource} has {count} resource instances" for resource, count in sorted(counts.items()))
        wrong["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {listed}")
    holding = Counter(finalizer for _, stored in remaining for finalizer in stored.metadata.finalizers)
    if holding:
        listed = ", ".join(f"{finalizer} in {count} resource instances" for finalizer, count in sorted(holding.items()))
        text = f"Some content in the namespace has finalizers remaining: {listed}"
        wrong["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    transitions = {entry.get("type"): (entry.get("status"), entry.get("lastTransitionTime")) for entry in before}
    conditions: list[JsonObject] = []
    for kind, fine in _REASONS.items():
        status = "True" if kind in wrong else "False"
        reason, message = wrong.get(kind, fine)
        old_status, since = transitions.get(kind, ("", now))
        since = since if since and old_status == status else now
        conditions.append(
            {"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
        )
    return conditions
