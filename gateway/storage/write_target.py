"""The embedded store behind the WriteTarget port: dispatches a parsed write to the registry.

Knows verbs and subresources, no rule of any kind: those are the registry's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.errors import ApiError, PathNotFound, method_not_allowed, method_not_supported
from gateway.apimachinery.field_selectors import parse_field_selector
from gateway.apimachinery.label_selectors import parse_label_selector
from gateway.apimachinery.meta import JsonObject, ObjectKey, namespace
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupResource
from gateway.apimachinery.turns import each_in_turn
from gateway.request_scope import RequestScope
from gateway.storage.computing import MAX_SHORT_BYTES, is_long
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.dependents import collectable
from gateway.storage.registry import Registry
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.write_context import WriteContext
from gateway.write_request import Precondition, WriteRequest, WriteResult

_JSON = "application/json"
_ACTIONS = frozenset({"binding", "eviction"})


class EmbeddedWriteTarget:
    """Writes to one embedded registry."""

    def __init__(self, registry: Registry) -> None:
        """Bind the registry."""
        self._registry = registry

    def _definition(self, scope: RequestScope) -> ResourceDefinition:
        definition = self._registry.find(scope.info.group_version_resource)
        if definition is None:
            raise PathNotFound
        return definition

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Return the live main-resource object, or None."""
        definition = self._definition(scope)
        stored = self._registry.storage.get(definition.storage_key, key)
        return definition.object(stored) if stored is not None else None

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """Return all objects of the request's resource that match; "" matches all."""
        definition = self._definition(scope)
        options = ListOptions(
            label_selector=parse_label_selector(label_selector), field_selector=parse_field_selector(field_selector)
        )
        result = await self._registry.list(definition, namespace, options)
        return await each_in_turn(definition.object, result.items)

    async def preview(self, request: WriteRequest) -> JsonObject:
        """Return what the write would answer, without writing or warning."""
        options = replace(request.options, dry_run=True)
        context = WriteContext(options, duplicate_fields=request.duplicate_fields, long=_is_long(request))
        _, obj = await self._write(request, context)
        return obj

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Write, warning about a deprecated version. Raises ApiError, PreconditionLost."""
        if warning := self._definition(request.scope).deprecation_warning:
            request.scope.warn(warning)
        context = WriteContext(
            request.options, request.scope.warn, precondition, request.duplicate_fields, _is_long(request)
        )
        code, obj = await self._write(request, context)
        return WriteResult(code, encode_json(obj), _JSON, obj=obj)

    async def _write(self, request: WriteRequest, context: WriteContext) -> tuple[int, JsonObject]:
        definition = self._definition(request.scope)
        self._check_path(definition, request)
        subresource = request.scope.info.subresource
        match request.verb:
            case "create" if subresource:
                return await self._act(definition, request, context)
            case "create":
                obj = await self._registry.create(definition, request.key.namespace, request.obj or {}, context)
                return 201, obj
            case "update":
                written = await self._registry.update(
                    definition, request.key, request.obj or {}, context, subresource=subresource
                )
                return 201 if written.created else 200, written.obj
            case "patch":
                written = await self._registry.patch(
                    definition, request.key, request.content_type, request.patch, context, subresource=subresource
                )
                return 201 if written.created else 200, written.obj
            case _:
                deleted = await self._registry.delete(definition, request.key, request.delete, context)
                return 200, deleted.obj

    @staticmethod
    def _check_path(definition: ResourceDefinition, request: WriteRequest) -> None:
        """Refuse paths under which nothing is served, and verbs that are not served there."""
        subresource, namespace = request.scope.info.subresource, request.scope.info.namespace
        if bool(namespace) != definition.namespaced and definition.storage_key != "namespaces":
            raise PathNotFound if namespace else method_not_allowed()
        served = definition.subresources.get(subresource)
        if subresource and served is None:
            raise PathNotFound
        if request.verb not in (served.verbs if served is not None else definition.verbs):
            raise method_not_supported(definition.group_resource, request.verb)

    async def _act(
        self, definition: ResourceDefinition, request: WriteRequest, context: WriteContext
    ) -> tuple[int, JsonObject]:
        """Creates on a subresource: they act on the object and store nothing of their own."""
        subresource, obj = request.scope.info.subresource, request.obj or {}
        if definition.storage_key == "pods" and subresource in _ACTIONS:
            actions = self._registry.pod_actions(definition)
            act = actions.bind if subresource == "binding" else actions.evict
            return 201, await act(request.key, obj, context)
        if subresource == "token":
            message = (
                "this store issues no ServiceAccount tokens: let clients authenticate by certificates "
                "(fleetgate certs issue) or by an identity provider"
            )
            raise ApiError(405, "MethodNotAllowed", message)
        raise method_not_supported(definition.group_resource, "create")

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return every object of every resource in a namespace, whole."""
        definitions = [definition for definition in self._registry.stored_resources() if definition.namespaced]
        return [
            (definition.group_resource, obj)
            for definition in definitions
            for obj in await self._objects(definition, namespace)
        ]

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return what the garbage collector of this store could take along with an object."""
        return await collectable(self._registry.garbage_collector, namespace(obj), owners)

    async def _objects(self, definition: ResourceDefinition, namespace: str = "") -> Sequence[JsonObject]:
        return await each_in_turn(definition.object, self._registry.storage.list(definition.storage_key, namespace))

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Return all objects of a custom resource; every version shows the same fields here, so any does."""
        group_resource = GroupResource(group, resource)
        definitions = [
            definition
            for definition in self._registry.stored_resources()
            if definition.group_resource == group_resource
        ]
        return [obj for definition in definitions for obj in await self._objects(definition)]

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Return the CustomResourceDefinition of a resource."""
        crds = CUSTOM_RESOURCE_DEFINITIONS
        stored = self._registry.storage.get(crds.storage_key, ObjectKey("", str(resource)))
        return crds.object(stored) if stored is not None else None


def _is_long(request: WriteRequest) -> bool:
    """Whether a body is long, by what it says: protobuf is dense, and YAML may say much in a few words."""
    if len(request.body) > MAX_SHORT_BYTES:
        return True
    return is_long(encode_json(request.patch if request.verb == "patch" else request.obj))
