"""Writes to merged objects: found by name in the cache, sent to the one member that owns them, as the caller.

Implements the WriteTarget port over the members' own. Names and resourceVersions of the merged view are translated on
the way in, answers are stamped on the way out. A name that several members use is refused, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from cache.cached_object import CachedObject
from cache.merged_resource import MergedResource
from cache.stamp import ORIGINAL_NAME_ANNOTATION
from cache.watcher import Visible
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, conflict, not_found
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.options import ListOptions, parse_list_options
from gateway.apimachinery.schema import GroupResource
from gateway.apimachinery.turns import each_in_turn
from gateway.discovery.parsing import is_custom
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER, CLUSTER_LABEL, pointer
from gateway.proxy.member_write_target import MemberTargets, MemberWriteTarget
from gateway.proxy.rewrite import rename
from gateway.request_scope import RequestScope
from gateway.write_request import Precondition, WriteRequest, WriteResult, WriteTarget

JSON = "application/json"
_VERSION_PATH = "/metadata/resourceVersion"
_NAME, _UID = "/metadata/name", "/metadata/uid"
_CLUSTER_POINTERS = frozenset({pointer("labels", CLUSTER_LABEL), pointer("annotations", CACHED_FROM_CLUSTER)})
"""Where the merged view names the member of an object."""
_ORIGINAL_NAME = pointer("annotations", ORIGINAL_NAME_ANNOTATION)


def the_owner(resource: GroupResource, name: str, owners: Sequence[CachedObject]) -> CachedObject:
    """Return the only object that answers to a name.

    Raises:
        ApiError: 404 when there is none, 409 naming the qualified names when there are several.
    """
    if not owners:
        raise not_found(resource, name)
    if len(owners) > 1:
        clusters = ", ".join(sorted(owner.cluster for owner in owners))
        qualified = ", ".join(sorted(f"{owner.original_name}.{owner.cluster}" for owner in owners))
        raise conflict(resource, name, f"ambiguous objects in clusters [{clusters}]; name one of them: {qualified}")
    return owners[0]


class Identity(msgspec.Struct, frozen=True):
    """What tells objects of one name apart."""

    uid: str = ""
    resource_version: str = ""

    def fits(self, obj: CachedObject) -> bool:
        """Whether it can only be this object: by its uid, or without one by its version, which no other has."""
        return obj.uid == self.uid if self.uid else str(obj.rv) == self.resource_version


def meant_by(request: WriteRequest) -> Identity:
    """Return what a write says of the object that it is about: what it must be, or else nothing is to be written."""
    if request.verb == "delete":
        options = request.delete
        return Identity(options.precondition_uid or "", options.precondition_resource_version or "")
    if isinstance(request.patch, list):
        tested = {
            operation.get("path"): operation.get("value")
            for operation in request.patch
            if isinstance(operation, dict) and (operation.get("op") == "test" or operation.get("path") == _VERSION_PATH)
        }
        return Identity(_text(tested.get(_UID)), _text(tested.get(_VERSION_PATH)))
    obj = request.obj if request.obj is not None else request.patch or {}
    told: Mapping[str, Any]
    if request.scope.info.subresource == "eviction":
        told = meta.field(obj, "deleteOptions", "preconditions") or {}
    else:
        told = meta.metadata(obj)
    return Identity(_text(told.get("uid")), _text(told.get("resourceVersion")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class MergedWriteTarget:
    """Where writes of one merged resource go.

    Args:
        scope: the caller's request.
        resource: the merged resource; finds owners and knows their versions.
        targets: the members.
        visible: which members the caller may see.
        local: the federation store's target, for objects recorded there (Events).
    """

    def __init__(
        self,
        scope: RequestScope,
        resource: MergedResource,
        targets: MemberTargets,
        visible: Visible,
        local: WriteTarget,
    ) -> None:
        """Bind the parts for one request."""
        self._scope = scope
        self._resource = resource
        self._targets = targets
        self._visible = visible
        self._local = local
        self._meant: dict[ObjectKey, Identity] = {}

    def mean(self, request: WriteRequest) -> None:
        """Take a write's own word, by uid or resourceVersion, for which of several objects of a name it is about."""
        self._meant[request.key] = meant_by(request)

    def _owner(self, scope: RequestScope, key: ObjectKey) -> CachedObject:
        owners = self._resource.owners(key.namespace, key.name, visible=self._visible)
        if len(owners) > 1 and (meant := self._meant.get(key)):
            owners = [owner for owner in owners if meant.fits(owner)] or owners
        return the_owner(scope.info.group_resource, key.name, owners)

    def _target(self, owner: CachedObject) -> WriteTarget:
        return self._member(owner) if owner.cluster else self._local

    def _member(self, owner: CachedObject) -> MemberWriteTarget:
        """Return the owner's member, which is asked about the caller's own request, in its own words."""
        info = self._scope.info
        if info.verb != "deletecollection":
            info = rename(info, owner.original_name)
        else:  # selectors may speak of what only the merged view has
            name = owner.original_name if info.name else ""
            info = replace(info, name=name, field_selector="", label_selector="")
        return self._targets.at(owner.cluster, replace(self._scope, info=info))

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Read the live object at its owner."""
        owner = self._owner(scope, key)
        original = replace(scope, info=rename(scope.info, owner.original_name))
        return await self._target(owner).read(original, ObjectKey(key.namespace, owner.original_name))

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """List from the cache, under the names that are served: each is read live again before it is written to.

        Raises ApiError 403 when one of the members does not let the caller do there what is asked.
        """
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        options: ListOptions = parse_list_options({name: text for name, text in query.items() if text}, watch=False)
        page = await self._resource.list(namespace, options, visible=self._visible)
        for owner in {item.cluster: item for item in page.items if item.cluster}.values():
            await self._member(owner).permit()
        self._meant |= {ObjectKey(item.namespace, item.name): Identity(item.uid) for item in page.items}
        return await each_in_turn(lambda stored: msgspec.json.decode(self._resource.object(stored)), page.items)

    async def preview(self, request: WriteRequest) -> JsonObject:
        """Ask the owner what the write would make."""
        owner = self._owner(request.scope, request.key)
        return await self._target(owner).preview(self._translate(request, owner))

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Write at the owner, on the very object that the name meant here."""
        owner = self._owner(request.scope, request.key)
        translated = self._translate(request, owner)
        result = await self._target(owner).apply(translated, precondition or Precondition(owner.uid, ""))
        return self._restamp(request, owner, result)

    def _translate(self, request: WriteRequest, owner: CachedObject) -> WriteRequest:
        """Return the request as the owner understands it: its name, its resourceVersion."""
        scope = replace(request.scope, info=rename(request.scope.info, owner.original_name))
        translated = replace(request, scope=scope, name=owner.original_name)
        if request.obj is not None:
            return _with_object(translated, self._translate_object(request, owner, request.obj))
        if request.patch is not None:
            return _with_patch(translated, self._translate_patch(request, owner, request.patch))
        if version := request.delete.precondition_resource_version:
            member = self._member_version(request, owner, version)
            return replace(translated, delete=replace(request.delete, precondition_resource_version=member))
        return translated

    def _member_version(self, request: WriteRequest, owner: CachedObject, version: str) -> str:
        member = self._resource.writes.member_version(owner, version)
        if member is None:
            raise conflict(request.scope.info.group_resource, request.name)
        return member

    def _translate_object(self, request: WriteRequest, owner: CachedObject, obj: JsonObject) -> JsonObject:
        metadata = dict(meta.metadata(obj))
        if metadata.get("name") in {request.name, owner.name}:
            metadata["name"] = owner.original_name
        if version := metadata.get("resourceVersion"):
            metadata["resourceVersion"] = self._member_version(request, owner, str(version))
        return {**obj, "metadata": metadata}

    def _translate_patch(self, request: WriteRequest, owner: CachedObject, patch: Any) -> Any:
        if isinstance(patch, dict):
            return self._translate_object(request, owner, patch) if isinstance(patch.get("metadata"), dict) else patch
        return [
            self._translate_operation(request, owner, operation)
            for operation in patch
            if not _met_by_the_view(owner, request.name, operation)
        ]

    def _translate_operation(self, request: WriteRequest, owner: CachedObject, operation: Any) -> Any:
        if not isinstance(operation, dict) or operation.get("path") != _VERSION_PATH or not operation.get("value"):
            return operation
        return {**operation, "value": self._member_version(request, owner, str(operation["value"]))}

    def _restamp(self, request: WriteRequest, owner: CachedObject, result: WriteResult) -> WriteResult:
        """Have the answer speak in the words of the merged view, once the view itself has caught up with it."""
        if request.scope.info.subresource == "eviction":
            return result if _tries_only(request) else replace(result, shown=partial(self._gone, owner, result.body))
        if result.content_type.partition(";")[0] != JSON:
            return result
        # The body comes to differ from `obj`: what the member made is told apart.
        result = replace(result, obj=None, made=result.written)
        if request.options.dry_run:
            body = self._resource.writes.decorate(owner.cluster, result.body, request.name)
            return replace(result, body=body)
        return replace(result, shown=partial(self._shown, request, owner, result.body))

    async def _gone(self, owner: CachedObject, body: bytes) -> bytes:
        await self._resource.writes.wait_gone(owner, or_lingers=True)
        return body

    async def _shown(self, request: WriteRequest, owner: CachedObject, body: bytes) -> bytes:
        writes = self._resource.writes
        if request.verb == "delete":
            return await writes.deleted(owner, body, request.name)
        changed = await writes.changed(owner, body, request.name)
        if request.scope.info.subresource and changed is body:
            return await writes.decorate_part(owner.cluster, body, request.name)  # a Scale
        return changed

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return what the federation store holds in a namespace."""
        return await self._local.namespace_contents(namespace)

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """List at the owner of the object that the request is about."""
        key = ObjectKey(scope.info.object_namespace, scope.info.name)
        return await self._target(self._owner(scope, key)).collectable(scope, obj, owners)

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Return all objects of a custom resource in the federation store."""
        return await self._local.instances(group, resource, version)

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Return the definition of a custom resource: of an object's kind that of its member, else the store's.

        Of its own member, because there the replica count may stand elsewhere, and the store may have no such kind.
        """
        info = self._scope.info
        kind = info.group_version.kind(self._resource.served.kind)
        if resource != info.group_resource or not info.name or not is_custom(kind):
            return await self._local.definition(resource)
        owner = self._owner(self._scope, ObjectKey(info.object_namespace, info.name))
        return await self._target(owner).definition(resource)


def _met_by_the_view(owner: CachedObject, name: str, operation: Any) -> bool:
    """Whether a patch operation tests what only the merged view has, and finds it. Raises ApiError 422 if it does not.

    The member's own object has no such field, or one that the view does not show.
    """
    if not owner.cluster or not isinstance(operation, dict) or operation.get("op") != "test":
        return False
    match operation.get("path"):
        case path if path in _CLUSTER_POINTERS:
            shown = owner.cluster
        case path if path == _ORIGINAL_NAME and name != owner.original_name:
            shown = owner.original_name
        case path if path == _NAME:
            shown = name
        case _:
            return False
    if operation.get("value") != shown:
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", details={})
    return True


def _tries_only(eviction: WriteRequest) -> bool:
    """Whether an eviction is a dry run, by its own options or by those of its deletion."""
    options = (eviction.obj or {}).get("deleteOptions")
    return eviction.options.dry_run or bool(isinstance(options, dict) and options.get("dryRun"))


def _with_object(request: WriteRequest, obj: JsonObject) -> WriteRequest:
    if obj == request.obj:
        return request
    return replace(request, obj=obj, body=_encode(obj), content_type=JSON)


def _with_patch(request: WriteRequest, patch: Any) -> WriteRequest:
    return request if patch == request.patch else replace(request, patch=patch, body=_encode(patch))


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def unnamed_cluster(resource: GroupResource, name: str) -> ApiError:
    """Return the refusal of a new object that names no member."""
    message = (
        "it must name the member cluster it is for: set the label fleetgate.io/cluster to one of the names shown by "
        "`kubectl get clusters`"
    )
    return ApiError(400, "BadRequest", f'{resource} "{name}" cannot be created: {message}')
