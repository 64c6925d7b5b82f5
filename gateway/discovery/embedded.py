"""What the embedded store serves, read from its registry, which always knows.

Nothing is kept here and nobody needs to be asked: the registry's generation tells the catalog when to read again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from typing import Protocol

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind, version_priority
from gateway.discovery.review_kinds import REVIEW_GROUPS
from gateway.discovery.server_version import gateway_version
from gateway.discovery.surface import ApiGroup, ApiResource, ApiSubresource, ApiVersion
from gateway.storage.definitions import ResourceDefinition


class ServedResources(Protocol):
    """The registry of an embedded store, as much of it as discovery needs (storage/registry.py)."""

    @property
    def generation(self) -> int:
        """Grows with every change of what is served."""
        ...

    def resources(self) -> Sequence[ResourceDefinition]:
        """Return every resource at every version that is served now."""
        ...

    def find_kind(self, gvk: GroupVersionKind) -> ResourceDefinition | None:
        """Return the definition of a kind at a version, None when it is not served."""
        ...


class EmbeddedDiscovery:
    """Reads the registry of the embedded store, which always knows; so nothing ever needs to be asked."""

    def __init__(self, registry: ServedResources) -> None:
        self._registry = registry

    @property
    def generation(self) -> int:
        """The registry's own generation."""
        return self._registry.generation

    @property
    def synced(self) -> bool:
        """Always: the registry is in this process."""
        return True

    @property
    def version(self) -> JsonObject:
        """The gateway's version: the store is part of it."""
        return gateway_version()

    def groups(self) -> Sequence[ApiGroup]:
        """Return the registry's resources and the reviews that the gateway answers."""
        versions: dict[str, dict[str, list[ApiResource]]] = {}
        for definition in self._registry.resources():
            gvr = definition.gvr
            versions.setdefault(gvr.group, {}).setdefault(gvr.version, []).append(_resource(definition))
        groups = [
            ApiGroup(
                name, tuple(ApiVersion(version, tuple(of[version])) for version in sorted(of, key=version_priority))
            )
            for name, of in versions.items()
        ]
        return (*groups, *REVIEW_GROUPS)

    def schema(self, gvk: GroupVersionKind) -> JsonObject | None:
        """Return the schema that the store itself has of a kind, as for custom resources; None when it has none."""
        definition = self._registry.find_kind(gvk)
        return None if definition is None else definition.schema

    async def refresh(self, *, max_age: float = 0.0) -> None:
        """There is nobody to ask."""

    async def run(self) -> None:
        """Wait until cancelled: there is nothing to follow, the registry's generation says when it changed."""
        await asyncio.Event().wait()


def _resource(definition: ResourceDefinition) -> ApiResource:
    return ApiResource(
        definition.gvr,
        definition.gvk,
        namespaced=definition.namespaced,
        singular=definition.singular,
        verbs=definition.verbs,
        short_names=definition.short_names,
        categories=definition.categories,
        subresources=tuple(ApiSubresource(name, sub.kind, sub.verbs) for name, sub in definition.subresources.items()),
        custom=not definition.builtin,
        storage_version_hash=storage_version_hash(definition.storage_kind) if definition.builtin else "",
    )


def storage_version_hash(gvk: GroupVersionKind) -> str:
    """Return the hash by which clients see that versions are stored alike (apiserver `endpoints/discovery`)."""
    digest = hashlib.sha256(f"{gvk.group}/{gvk.version}/{gvk.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()
