"""deletecollection: list, judge every object, announce each deletion, then delete one by one.

Refused as a whole when a rule protects one of the objects. From then on it is as at kube-apiserver: not atomic, it
stops at the first error, and the audit log says object by object what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from admission.blockers import NAMED_BLOCKERS
from admission.chain import AdmissionChain
from admission.plugin import Verdict
from gateway.apimachinery import meta
from gateway.apimachinery.codec import JSON
from gateway.apimachinery.errors import bad_request, method_not_allowed
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.turns import each_in_turn, in_turns
from gateway.audit.event import PARENT
from gateway.audit.record import AuditRecord
from gateway.handlers.list_body import ListBody, json_pieces
from gateway.handlers.ongoing_deletions import OngoingDeletion
from gateway.handlers.write_admission import RequestLookup, attributes_of, denial
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER
from gateway.handlers.write_dependents import DeletedTogether
from gateway.request import RequestInfo
from gateway.write_request import WriteRequest, WriteResult, WriteTarget

_DELETE_PARAMETERS = frozenset({"dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy", "timeout"})
"""Query parameters that mean the same for the deletion of one object; selectors and paging do not."""

JOINED_AT_ONCE = 1 << 20
"""Bytes of a list that are put together in one go: 1 ms. Encrypting as many at once is about as long."""


@dataclass(frozen=True, slots=True)
class MatchedObject:
    """One object of the collection: its deletion as a request and as a record, and the object as it was listed."""

    request: WriteRequest
    record: AuditRecord
    obj: JsonObject


async def matched_objects(request: WriteRequest, record: AuditRecord, target: WriteTarget) -> list[MatchedObject]:
    """List what a deletecollection is about. Raises ApiError, also 405 for objects of all namespaces at once."""
    info = request.scope.info
    listed = await target.list(request.scope, info.namespace, info.label_selector, info.field_selector)
    limit = _limit(request.scope.query)
    objects = list(listed)[:limit] if limit else list(listed)
    if not info.namespace and any(meta.namespace(obj) for obj in objects):
        raise method_not_allowed()
    return await each_in_turn(lambda item: _matched(request, record, item[1], item[0]), enumerate(objects))


async def judge_all(
    chain: AdmissionChain,
    request: WriteRequest,
    record: AuditRecord,
    matched: Sequence[MatchedObject],
    target: WriteTarget,
    deletion: OngoingDeletion,
) -> None:
    """Have every deletion judged before the first happens. Raises ApiError 403 naming those that are refused."""
    refused: list[tuple[str, Verdict]] = []
    deletion.of(meta.uid(item.obj) for item in matched)
    together = DeletedTogether(deletion)
    async for item in in_turns(matched):
        lookup = RequestLookup(item.request, target, old=item.obj, together=together)
        verdict = await chain.validate(attributes_of(item.request), lookup)
        for warning in verdict.warnings:
            request.scope.warn(f"{item.request.name}: {warning}")
        if not verdict.allowed:
            refused.append((item.request.name, verdict))
    if not refused:
        return
    names = ", ".join(name for name, _ in refused[:NAMED_BLOCKERS])
    more = f" and {len(refused) - NAMED_BLOCKERS} more" if len(refused) > NAMED_BLOCKERS else ""
    first = refused[0][1]
    message = (
        f"nothing was deleted, {len(refused)} of {len(matched)} objects are refused: {names}{more}. {first.message}"
    )
    raise denial(request, Verdict.deny(first.rule, message), record)


async def deleted_list(deleted: Sequence[MatchedObject]) -> WriteResult:
    """Return the answer: the list of what was deleted; a plain List when that is nothing, as its kind is not known."""
    items = [item.obj for item in deleted]
    first = items[0] if items else {"kind": "", "apiVersion": "v1"}
    head: JsonObject = {
        "kind": f"{first.get('kind', '')}List",
        "apiVersion": first.get("apiVersion", ""),
        "metadata": {"resourceVersion": ""},
    }
    obj: JsonObject = {**head, "items": items}
    entries = [msgspec.json.encode(item) async for item in in_turns(items)]
    if sum(map(len, entries)) > JOINED_AT_ONCE:
        return WriteResult(200, b"", JSON, obj=obj, entries=entries)
    return WriteResult(200, b"".join(json_pieces(ListBody(head, "items", iter(entries)))), JSON, obj=obj)


def _matched(request: WriteRequest, record: AuditRecord, obj: JsonObject, index: int) -> MatchedObject:
    name = meta.name(obj)
    info = _delete_info(request.scope.info, name)
    audit_id = f"{record.audit_id}.{index}"
    query = {key: value for key, value in request.scope.query.items() if key in _DELETE_PARAMETERS}
    scope = replace(request.scope, info=info, audit_id=audit_id, query=query)
    child = replace(
        record,
        audit_id=audit_id,
        info=info,
        cluster=meta.annotations(obj).get(CACHED_FROM_CLUSTER, record.cluster),
        uid=meta.uid(obj),
        resource_version=meta.resource_version(obj),
        request_object=None,
        annotations={**record.annotations, PARENT: record.audit_id},
    )
    return MatchedObject(replace(request, scope=scope, verb="delete", name=name, of_collection=True), child, obj)


def _delete_info(info: RequestInfo, name: str) -> RequestInfo:
    return replace(
        info,
        verb="delete",
        name=name,
        path=f"{info.path.rstrip('/')}/{name}",
        parts=(*info.parts[:1], name),
        label_selector="",
        field_selector="",
    )


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", "")
    if not text:
        return 0
    try:
        return max(0, int(text))
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
