"""A write as a value, and the port behind which the embedded store, a remote store and the members look alike.

handlers/write.py parses a WriteRequest, has it judged and recorded, and applies it to a WriteTarget; gateway/storage
and gateway/proxy implement the port. Pure: nothing here decodes, judges or sends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.apimachinery.meta import JsonObject, ObjectKey, resource_version, uid
from gateway.apimachinery.schema import GroupResource
from gateway.request_scope import RequestScope


class WriteOptions(msgspec.Struct, frozen=True):
    """CreateOptions, UpdateOptions and PatchOptions: the query parameters of a write.

    `field_manager` is never empty: it defaults to the User-Agent up to its first slash. `field_validation` is Ignore,
    Warn, Strict or "" when the client named none (Warn then). `force` is None when the client did not say.
    """

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""
    force: bool | None = None


class DeleteOptions(msgspec.Struct, frozen=True):
    """meta/v1 DeleteOptions, from the body or, when that is empty, from the query. None and "" mean not given."""

    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    precondition_uid: str | None = None
    precondition_resource_version: str | None = None


class WriteRequest(msgspec.Struct, frozen=True):
    """One write, understood: what was judged is what is applied.

    `body` and `content_type` (media type only) are the bytes to send on: the client's own, protobuf too, unless the
    gateway had to change the object, then JSON again. Of `obj`, `patch` and `delete` the one of the verb is set: `obj`
    is the decoded object of a create or update (of a subresource too: Scale, Eviction), `patch` the decoded patch (a
    list for JSON patch, else an object), `delete` the options of a delete or deletecollection. A deletecollection never
    reaches `apply`: the handler lists, judges all and applies one delete for each object, `of_collection`.

    `name` is the final name: for a create it is taken from the object, and generateName is already resolved.
    `cluster` is the member the object asked for by `fleetgate.io/cluster`, which is no longer part of it.
    `of_collection`: this delete is one of a deletecollection, which is all that the caller has to be allowed to do.
    `duplicate_fields` is what strict decoding says of the client's bytes (`duplicate field "spec.replicas"`), when
    `options.field_validation` is Warn; the handler refuses them itself when it is Strict.
    """

    scope: RequestScope
    verb: str
    name: str
    body: bytes = b""
    content_type: str = ""
    obj: JsonObject | None = None
    patch: list[Any] | JsonObject | None = None
    options: WriteOptions = msgspec.field(default_factory=WriteOptions)
    delete: DeleteOptions = msgspec.field(default_factory=DeleteOptions)
    cluster: str = ""
    of_collection: bool = False
    duplicate_fields: tuple[str, ...] = ()

    @property
    def key(self) -> ObjectKey:
        """The object written to; its name is empty for a deletecollection, its namespace for a Namespace."""
        return ObjectKey(self.scope.info.object_namespace, self.name)

    @property
    def patch_type(self) -> str:
        """The media type of a patch (gateway/apimachinery/patch/patch.py names them), empty for the other verbs."""
        return self.content_type if self.verb == "patch" else ""


class ObjectVersion(msgspec.Struct, frozen=True):
    """What a write made, as its store counts; "" for what is not known."""

    uid: str
    resource_version: str


class WriteResult(msgspec.Struct, frozen=True):
    """The answer of a write, ready to be sent: `obj` is its decoded body where that was cheap to know.

    `made` is what the store said that it made, for the audit log, where the body says so in other words.
    `shown` waits until reads show what was written, and returns the body as they do; None where `body` is that already.
    It is called once the outcome is on its way to the audit log; for a deletecollection, of all objects together.
    `entries` are the encoded objects of a list that is too large to be joined at once; `body` is empty then.
    """

    code: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    obj: JsonObject | None = None
    shown: Callable[[], Awaitable[bytes]] | None = None
    made: ObjectVersion | None = None
    entries: Sequence[bytes] = ()

    @property
    def written(self) -> ObjectVersion | None:
        """What the write made: `made`, or else as `obj` has it; None where neither tells."""
        if self.made is not None or self.obj is None:
            return self.made
        return ObjectVersion(uid(self.obj), resource_version(self.obj))


class Precondition(msgspec.Struct, frozen=True):
    """The object that admission judged: exactly this version may be written to, any of its versions when that is ""."""

    uid: str
    resource_version: str


class PreconditionLost(Exception):
    """The object is no longer the one that admission judged: nothing was written, read and judge again."""


class OutcomeUnknown(Exception):
    """The write was sent and no answer came: it may or may not have been applied. Not raised when nothing was sent."""


class WriteTarget(Protocol):
    """Where writes of one resource go. Every method raises ApiError for a refusal.

    `read`, `list` and the three lookups are done with the gateway's own right and are always live, never from a cache;
    what they return is for admission alone and is never shown to the caller.
    """

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Return the main-resource object (not the subresource of the request), or None when there is none."""
        ...

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """Return all objects of the request's resource that match, each with apiVersion and kind; "" matches all."""
        ...

    async def preview(self, request: WriteRequest) -> JsonObject:
        """Return what the write would answer, without writing (dryRun=All as the caller)."""
        ...

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Write. An upstream's own refusal is raised as ApiError, its silence as OutcomeUnknown.

        Both the client's preconditions (resourceVersion in the object, DeleteOptions) and `precondition` must hold.
        When the client's fail that is its ApiError 409; when only ours fails PreconditionLost is raised. With
        `precondition` a write never lands on any other version of the object. Dry-run requests come here too.
        """
        ...

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return every object of every resource in the namespace. Raises ApiError unless all could be listed.

        Only metadata is needed, except for Pods, PersistentVolumeClaims and everything with a replica count, which are
        returned whole (whole objects always will do).
        """
        ...

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return the objects among which those are that the garbage collector would take along with these owners.

        Owners are uids; `obj`, the object that the request is about, is one of them or like them: all are in its
        namespace, or all in none. Each object found has its kind and of its metadata what admission/ownership.py reads;
        it is whole where Cascading protects it. Raises ApiError unless all could be listed.
        """
        ...

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Return all objects of a custom resource, of all namespaces, whole: as one version shows them, "" for any."""
        ...

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Return the CustomResourceDefinition of a resource, None when it is not a custom resource."""
        ...
