"""A WriteTarget in memory: real patches, real conflicts, and a script of what goes wrong.

It counts what it is asked, so that tests can hold that nothing was read or written in vain. Not safe for concurrency
beyond what `before_apply` stages.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, already_exists, conflict, not_found
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.patch import apply_patch
from gateway.apimachinery.patch.typed_schema import builtin_type, custom_type
from gateway.apimachinery.schema import GroupResource, GroupVersionKind
from gateway.request_scope import RequestScope
from gateway.write_request import Precondition, PreconditionLost, WriteRequest, WriteResult

SCALE = GroupVersionKind("autoscaling", "v1", "Scale")


class MemoryTarget:
    """Holds objects of one kind. `before_apply` runs before each write, `failures` are raised one by one after it."""

    def __init__(self, gvk: GroupVersionKind, *objects: JsonObject, default_replicas: int | None = None) -> None:
        self._gvk = gvk
        self._default_replicas = default_replicas
        self._version = 100
        self.objects: dict[ObjectKey, JsonObject] = {}
        self.asked: Counter[str] = Counter()
        self.applied: list[WriteRequest] = []
        self.before_apply: Callable[[WriteRequest], Awaitable[None]] | None = None
        self.before_read: Callable[[], None] | None = None
        self.before_collectable: Callable[[], Awaitable[None]] | None = None
        self.failures: list[Exception] = []
        self.contents: Sequence[tuple[GroupResource, JsonObject]] | ApiError = ()
        self.collected_for: list[str] = []
        self.collected_among: Sequence[tuple[GroupResource, JsonObject]] | ApiError = ()
        self.declared: JsonObject | None = None
        for obj in objects:
            self.put(obj)

    def put(self, obj: JsonObject) -> JsonObject:
        """Store an object as another writer would: with a uid of its name and the next version."""
        stored = copy.deepcopy(obj)
        stored["metadata"].setdefault("uid", f"uid-{meta.name(stored)}")
        self._version += 1
        stored["metadata"]["resourceVersion"] = str(self._version)
        if self._default_replicas is not None and stored.setdefault("spec", {}).get("replicas") is None:
            stored["spec"]["replicas"] = self._default_replicas
        self.objects[meta.key(stored)] = stored
        return stored

    def edit(self, key: ObjectKey, **metadata: object) -> None:
        """Change metadata behind the gateway's back."""
        changed = copy.deepcopy(self.objects[key])
        changed["metadata"].update(metadata)
        self.put(changed)

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        self.asked["read"] += 1
        if self.before_read:
            self.before_read()
        found = self.objects.get(key)
        return copy.deepcopy(found) if found else None

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        self.asked["list"] += 1
        key, _, value = label_selector.partition("=")
        return [
            copy.deepcopy(obj)
            for obj in self.objects.values()
            if (not namespace or meta.namespace(obj) == namespace)
            and (not label_selector or meta.labels(obj).get(key) == value)
        ]

    async def preview(self, request: WriteRequest) -> JsonObject:
        self.asked["preview"] += 1
        return self._made(request)

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        self.asked["apply"] += 1
        if self.before_apply:
            await self.before_apply(request)
        if self.failures:
            raise self.failures.pop(0)
        self._check(request, precondition)
        made = self._made(request)
        if not request.options.dry_run:
            self.applied.append(request)
            self._store(request, made)
        code = 201 if request.verb == "create" else 200
        return WriteResult(code, json.dumps(made).encode(), "application/json", obj=made)

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        self.asked["namespace_contents"] += 1
        if isinstance(self.contents, ApiError):
            raise self.contents
        return self.contents

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        self.asked["collectable"] += 1
        self.collected_for.append(meta.name(obj))
        if self.before_collectable:
            await self.before_collectable()
        if isinstance(self.collected_among, ApiError):
            raise self.collected_among
        return self.collected_among

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        self.asked["instances"] += 1
        return [obj for _, obj in self.contents] if not isinstance(self.contents, ApiError) else []

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        self.asked["definition"] += 1
        return self.declared

    def _check(self, request: WriteRequest, precondition: Precondition | None) -> None:
        resource = request.scope.info.group_resource
        found = self.objects.get(request.key)
        if request.verb == "create" and not request.scope.info.subresource:
            if found:
                raise already_exists(resource, request.name)
            return
        if found is None:
            if request.patch_type == "application/apply-patch+yaml":
                return
            raise not_found(resource, request.name)
        stated = request.delete.precondition_resource_version or meta.resource_version(request.obj or {})
        if stated and stated != meta.resource_version(found):
            raise conflict(resource, request.name)
        if precondition and precondition != Precondition(meta.uid(found), meta.resource_version(found)):
            raise PreconditionLost

    def _made(self, request: WriteRequest) -> JsonObject:
        old = copy.deepcopy(self.objects.get(request.key))
        if request.verb == "create":
            return _in_namespace(request)
        if request.verb == "delete":
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        scale = request.scope.info.subresource == "scale"
        before = _scale_of(old) if scale and old else old
        if request.verb == "update":
            made = _in_namespace(request)
        else:
            made = apply_patch(request.content_type, before, request.patch, self._options(request, scale))
        if self._default_replicas is not None and not scale and made.get("spec", {}).get("replicas") is None:
            made["spec"]["replicas"] = self._default_replicas
        return made

    def _options(self, request: WriteRequest, scale: bool) -> PatchOptions:
        gvk = SCALE if scale else self._gvk
        schema = builtin_type(gvk) or custom_type(gvk, None)
        return PatchOptions(
            schema=schema,
            field_manager=request.options.field_manager,
            now="2026-01-01T00:00:00Z",
            subresource=request.scope.info.subresource,
            force=bool(request.options.force),
        )

    def _store(self, request: WriteRequest, made: JsonObject) -> None:
        if request.verb == "delete" or request.scope.info.subresource == "eviction":
            del self.objects[request.key]
        elif request.scope.info.subresource == "scale":
            parent = copy.deepcopy(self.objects[request.key])
            parent["spec"]["replicas"] = made.get("spec", {}).get("replicas", 0)
            self.put(parent)
        else:
            stored = self.put(made)
            made["metadata"] = stored["metadata"]


def _in_namespace(request: WriteRequest) -> JsonObject:
    obj = copy.deepcopy(request.obj or {})
    if request.key.namespace and not request.scope.info.subresource:
        obj["metadata"].setdefault("namespace", request.key.namespace)
    return obj


def _scale_of(obj: JsonObject) -> JsonObject:
    metadata = {"name": meta.name(obj), "namespace": meta.namespace(obj)}
    replicas = obj.get("spec", {}).get("replicas", 0)
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": {"replicas": replicas}}
