"""The one path of every write: judged, announced in the audit log, applied under what was judged, reported, answered.

decode_write has read the request and dispatch has chosen the target; what that is (embedded store, remote store,
member) makes no difference here. Between intent and outcome nothing is abandoned: that part runs in `Completions`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from admission.chain import AdmissionChain
from gateway.apimachinery.errors import ApiError, gateway_timeout, internal_error
from gateway.apimachinery.meta import JsonObject, metadata
from gateway.apimachinery.turns import in_turns
from gateway.audit.event import STATE, State
from gateway.audit.log import AuditLog
from gateway.audit.record import AuditRecord
from gateway.audit.recovery import resolve_collection
from gateway.handlers.ongoing_deletions import OngoingDeletion, OngoingDeletions
from gateway.handlers.write_admission import RequestLookup, admit
from gateway.handlers.write_announced import AnnouncedWrite
from gateway.handlers.write_collection import MatchedObject, deleted_list, judge_all, matched_objects
from gateway.handlers.write_completion import Completions
from gateway.handlers.write_decoding import with_name
from gateway.handlers.write_dependents import DeletedTogether
from gateway.storage.names import generate_name
from gateway.write_request import WriteRequest, WriteResult, WriteTarget

logger = logging.getLogger("gateway")

_CarryOut = Callable[[], Coroutine[Any, Any, WriteResult]]


class WriteHandler:
    """Serves writes. Its only state are the writes in progress."""

    def __init__(
        self, admission: AdmissionChain, audit: AuditLog, *, name_generator: Callable[[str], str] = generate_name
    ) -> None:
        self._admission = admission
        self._audit = audit
        self._generate_name = name_generator
        self._completions = Completions()
        self._deletions = OngoingDeletions()

    async def serve(self, request: WriteRequest, record: AuditRecord, target: WriteTarget) -> WriteResult:
        """Carry out a write and return its answer.

        Raises ApiError for every refusal; nothing was written then, unless the error says that this is not known.
        """
        record.object_name = request.name
        self._audit.keep_object(record, _recorded_body(request))
        with ExitStack() as stack:
            deletion = self._deletions.begin(dry_run=request.options.dry_run)
            stack.callback(deletion.end)
            carry_out = await self._admitted(request, record, target, deletion)
            if request.options.dry_run:
                return await carry_out()
            ended = stack.pop_all()
        return await self._completions.run_to_end(_then(carry_out, ended))

    async def _admitted(
        self, request: WriteRequest, record: AuditRecord, target: WriteTarget, deletion: OngoingDeletion
    ) -> _CarryOut:
        """Have a write judged, and return what carries it out."""
        if request.verb == "deletecollection":
            return await self._admitted_collection(request, record, target, deletion)
        prefix = "" if request.name or request.verb != "create" else _generate_prefix(request)
        template = request

        def rename() -> WriteRequest:
            record.object_name = self._generate_name(prefix)
            return with_name(template, record.object_name)

        if prefix:
            request = rename()
        lookup = RequestLookup(request, target, together=DeletedTogether(deletion))
        await admit(self._admission, request, lookup, record)
        write = AnnouncedWrite(self._admission, self._audit, record, target, rename=rename if prefix else None)
        return partial(write.carry_out, request, lookup)

    async def drain(self) -> None:
        """Wait for the writes in progress; call before the audit log is closed."""
        await self._completions.drain()

    async def _admitted_collection(
        self, request: WriteRequest, record: AuditRecord, target: WriteTarget, deletion: OngoingDeletion
    ) -> _CarryOut:
        matched = await matched_objects(request, record, target)
        await judge_all(self._admission, request, record, matched, target, deletion)

        async def delete_each() -> tuple[list[MatchedObject], ApiError | None]:
            shown: list[Callable[[], Awaitable[bytes]]] = []
            try:
                return await self._delete_each(request, matched, target, deletion, shown)
            finally:
                await asyncio.gather(*(show() for show in shown), return_exceptions=True)

        async def try_each() -> WriteResult:
            deleted, error = await delete_each()
            if error:
                raise error
            return await deleted_list(deleted)

        if request.options.dry_run:
            return try_each
        return partial(self._delete_announced, record, matched, delete_each)

    async def _delete_announced(
        self,
        record: AuditRecord,
        matched: Sequence[MatchedObject],
        delete_each: Callable[[], Awaitable[tuple[list[MatchedObject], ApiError | None]]],
    ) -> WriteResult:
        """Announce everything at once, delete, and report each object and then the whole."""
        await self._audit.intent([record, *(item.record for item in matched)])
        deleted, error = await delete_each()
        if error is None:
            record.code = 200
            await self._audit.outcome([record], State.APPLIED)
            return await deleted_list(deleted)
        record.code, record.reason, record.message = error.code, error.reason, error.message
        if untouched := [item.record for item in matched if not item.record.code]:
            for child in untouched:
                child.code, child.reason, child.message = error.code, error.reason, "not attempted"
            await self._audit.outcome(untouched, State.NOT_APPLIED)
        states = [State(item.record.annotations[STATE]) for item in matched]
        await self._audit.outcome([record], resolve_collection(states).state)
        raise error

    async def _delete_each(
        self,
        request: WriteRequest,
        matched: Sequence[MatchedObject],
        target: WriteTarget,
        deletion: OngoingDeletion,
        shown: list[Callable[[], Awaitable[bytes]]],
    ) -> tuple[list[MatchedObject], ApiError | None]:
        """Delete one by one until something fails; what is gone already does not count as failure.

        Nobody waits in between until reads show it: `shown` gets what to wait for.
        """
        loop = asyncio.get_running_loop()
        deadline = request.scope.deadline
        deleted: list[MatchedObject] = []
        async for item in in_turns(matched):
            if deadline is not None and loop.time() >= deadline:
                left = len(matched) - len(deleted)
                return deleted, gateway_timeout(f"{left} of {len(matched)} objects were not deleted in time")
            lookup = RequestLookup(item.request, target, old=item.obj, together=DeletedTogether(deletion))
            write = AnnouncedWrite(self._admission, self._audit, item.record, target)
            try:
                result = await write.carry_out(item.request, lookup, announced=True)
            except ApiError as error:
                if error.code == 404:
                    continue
                return deleted, error
            except Exception:
                logger.exception("deleting %s for request %s failed", item.request.key, item.record.audit_id)
                return deleted, internal_error(f"deleting {item.request.key} failed")
            deleted.append(item)
            shown += [result.shown] if result.shown else []
        return deleted, None


async def _then(carry_out: _CarryOut, ended: ExitStack) -> WriteResult:
    with ended:
        return await carry_out()


def _generate_prefix(request: WriteRequest) -> str:
    prefix = metadata(request.obj or {}).get("generateName")
    return prefix if isinstance(prefix, str) else ""


def _recorded_body(request: WriteRequest) -> JsonObject | list[object] | None:
    """Return what the audit log keeps of the body; a delete's options as DeleteOptions."""
    if request.verb in {"create", "update"}:
        return request.obj
    if request.verb == "patch":
        return request.patch
    options = request.delete
    fields = {
        "gracePeriodSeconds": options.grace_period_seconds,
        "propagationPolicy": options.propagation_policy or None,
        "orphanDependents": options.orphan_dependents,
    }
    return {"kind": "DeleteOptions", **{name: value for name, value in fields.items() if value is not None}}
