"""Writes to another API server (the remote store, a member): applied as the caller, guarded by what admission judged.

Implements the WriteTarget port of gateway/write_request.py. What admission needs to see is read with the gateway's own
right; whatever changes something, and its dry run, is sent as the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict

from cache.encoded_object import DECODE_ERRORS
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.json_values import decode_value
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream import Upstream
from gateway.clusters.upstream_error import UpstreamError
from gateway.proxy import custom_kinds, dependents
from gateway.proxy.collection_member import collection_of_one, only_member
from gateway.proxy.inventory import list_all
from gateway.proxy.namespace_contents import namespace_contents
from gateway.proxy.preconditions import JSON, Guarded, guard, lost
from gateway.proxy.rewrite import query_string, response_headers
from gateway.request import upstream_path
from gateway.request_scope import RequestScope
from gateway.write_request import (
    ObjectVersion,
    OutcomeUnknown,
    Precondition,
    PreconditionLost,
    WriteRequest,
    WriteResult,
)

WRITE_TIMEOUT = 60.0
"""Seconds for a write without a deadline of its own (kube-apiserver's request timeout)."""

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


class _Answer(msgspec.Struct, frozen=True):
    code: int
    content_type: str
    headers: CIMultiDict[str]
    body: bytes


class UpstreamWriteTarget:
    """One API server as a place to write to."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def read(self, scope: RequestScope, key: ObjectKey) -> JsonObject | None:
        """Return the main-resource object, None when there is none. Raises ApiError."""
        resource = scope.info.group_version_resource
        namespaced = f"/namespaces/{quote(key.namespace, safe='')}" if key.namespace else ""
        if resource.group_resource == GroupResource("", "namespaces"):
            namespaced = ""
        path = f"{resource.group_version.path}{namespaced}/{resource.resource}/{quote(key.name, safe='')}"
        try:
            return await self._upstream.find_json(path)
        except PathNotFound:
            return None

    async def list(
        self, scope: RequestScope, namespace: str, label_selector: str, field_selector: str
    ) -> Sequence[JsonObject]:
        """Return all objects of the request's resource that match. Raises ApiError or PathNotFound."""
        return await list_all(
            self._upstream, scope.info.group_version_resource, namespace, labels=label_selector, fields=field_selector
        )

    async def preview(self, request: WriteRequest) -> JsonObject:
        """Return what the write would answer: the same write with dryRun=All, as the caller. Raises ApiError."""
        guarded = _dry_run_delete(request) if request.verb == "delete" else Guarded(request.body, request.content_type)
        query = {**request.scope.query, "dryRun": "All"}
        answer = await self._send(request, guarded, query, accept=JSON)
        return self._upstream.json_answer(answer.code, answer.content_type, answer.body)

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Write as the caller. Raises PreconditionLost, OutcomeUnknown, ApiError or PathNotFound."""
        guarded = guard(request, precondition)
        try:
            accept = JSON if request.of_collection else request.scope.accept or JSON
            answer = await self._send(request, guarded, dict(request.scope.query), accept=accept)
        except UpstreamError as error:
            if error.unanswered and not request.options.dry_run:
                raise OutcomeUnknown(error.message) from error
            raise
        if answer.code >= 400:
            refusal = self._refusal(answer)
            if lost(refusal, guarded, request.scope.info.resource):
                raise PreconditionLost(refusal.message)
            raise refusal
        if request.of_collection:
            obj = only_member(request, _decoded(answer))
            return WriteResult(answer.code, msgspec.json.encode(obj), JSON, answer.headers, obj)
        made = _version_of(answer)
        return WriteResult(answer.code, answer.body, answer.content_type, answer.headers, made=made)

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return everything in a namespace. Raises ApiError unless all could be listed."""
        return await namespace_contents(self._upstream, namespace)

    async def collectable(
        self, scope: RequestScope, obj: JsonObject, owners: Collection[str]
    ) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Return what the server's garbage collector could take along with an object."""
        return await dependents.collectable(self._upstream, scope.info.group_resource, obj)

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Return all objects of a custom resource."""
        return await custom_kinds.instances(self._upstream, group, resource, version)

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Return the CustomResourceDefinition of a resource."""
        return await custom_kinds.definition(self._upstream, resource)

    async def _send(self, request: WriteRequest, guarded: Guarded, query: dict[str, str], *, accept: str) -> _Answer:
        scope = request.scope
        path = upstream_path(scope.info)
        if request.of_collection:
            path, query = collection_of_one(request, query)
        headers: CIMultiDict[str] = CIMultiDict({"Accept": accept})
        if guarded.content_type:
            headers["Content-Type"] = guarded.content_type
        if scope.user_agent:
            headers["User-Agent"] = scope.user_agent
        sent = SentRequest(
            _METHODS[request.verb],
            path,
            query_string(query.items()),
            headers,
            guarded.body or None,
            scope.user,
            scope.audit_id,
        )
        response = await self._upstream.send(sent, timeout=_time_left(scope))
        async with response:
            body = await self._upstream.read_body(response)
        content_type = response.headers.get("Content-Type", JSON)
        passed_on = response_headers(response.headers)
        passed_on.popall("Content-Type", None)
        return _Answer(response.status, content_type, passed_on, body)

    def _refusal(self, answer: _Answer) -> ApiError:
        """Return the API server's own refusal, with the headers clients act on (Retry-After, warnings)."""
        try:
            self._upstream.json_answer(answer.code, answer.content_type, answer.body)
        except ApiError as error:
            if "Retry-After" in answer.headers:
                error.headers["Retry-After"] = answer.headers["Retry-After"]
            return error
        raise AssertionError("an answer above 399 is never an object")


def _time_left(scope: RequestScope) -> float:
    if scope.deadline is None:
        return WRITE_TIMEOUT
    return max(0.001, scope.deadline - asyncio.get_running_loop().time())


def _dry_run_delete(request: WriteRequest) -> Guarded:
    """Return the body of a delete as a dry run: an API server that gets a body does not look for it in the query."""
    body: Any = decode_value(request.body) if request.content_type == JSON and request.body.strip() else None
    if not isinstance(body, dict):
        return Guarded(b"", "")
    return Guarded(msgspec.json.encode({**body, "dryRun": ["All"]}), JSON)


class _Metadata(msgspec.Struct):
    uid: str = ""
    resource_version: str = msgspec.field(name="resourceVersion", default="")


class _Made(msgspec.Struct):
    metadata: _Metadata


_version_decoder = msgspec.json.Decoder(_Made)


def _version_of(answer: _Answer) -> ObjectVersion | None:
    """Return what was made, without decoding all of it; None where the answer does not tell."""
    if not answer.content_type.startswith(JSON):
        return None
    try:
        metadata = _version_decoder.decode(answer.body).metadata
    except DECODE_ERRORS:
        return None
    return ObjectVersion(metadata.uid, metadata.resource_version)


def _decoded(answer: _Answer) -> JsonObject | None:
    if not answer.content_type.startswith(JSON):
        return None
    try:
        document = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return None
    return document if isinstance(document, dict) else None
