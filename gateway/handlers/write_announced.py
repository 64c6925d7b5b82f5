"""One write from its intent to its outcome: announced, applied under what was judged, and always reported.

When the object changed since it was judged, nothing was written: it is judged again and announced again. When it is not
known whether the store has written, that is what audit log and client are told.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from admission.chain import AdmissionChain
from gateway.apimachinery.errors import ApiError, PathNotFound, conflict, gateway_timeout, internal_error
from gateway.audit.event import State
from gateway.audit.log import AuditLog
from gateway.audit.record import PREFIX, AuditRecord
from gateway.handlers.write_admission import RequestLookup, admit
from gateway.storage.names import ATTEMPTS
from gateway.write_request import OutcomeUnknown, PreconditionLost, WriteRequest, WriteResult, WriteTarget

DECISIONS = 6
"""How often a write is judged: once, and again up to five times when the object changed in between."""

POST_RESOURCE_VERSION = f"{PREFIX}resource-version"
"""Audit annotation: the version that the write made."""

_DOUBTFUL_CODES = frozenset({500, 502, 504})
"""Answers an API server may also give after it has written."""

_TOO_LARGE = (
    "etcdserver: request is too large",
    "rpc error: code = ResourceExhausted desc = trying to send message larger than max",
)
"""How kube-apiserver begins a 500 for an object that etcd did not take, or was never sent (`isTooLargeError` in its
`endpoints/handlers/rest.go`). What etcd cannot send, which is the answer to a write, begins with `grpc:`."""


class AnnouncedWrite:
    """Carries out one request that was admitted. `rename` gives it another generated name, where it has one."""

    def __init__(
        self,
        admission: AdmissionChain,
        audit: AuditLog,
        record: AuditRecord,
        target: WriteTarget,
        *,
        rename: Callable[[], WriteRequest] | None = None,
    ) -> None:
        self._admission = admission
        self._audit = audit
        self._record = record
        self._target = target
        self._rename = rename
        self._applying = False

    async def carry_out(self, request: WriteRequest, lookup: RequestLookup, *, announced: bool = False) -> WriteResult:
        """Apply the write and report what became of it; a dry run is neither announced nor reported.

        Args:
            request: the write.
            lookup: what it was judged on.
            announced: whether its intent is on disk already.

        Raises:
            ApiError: the refusal, by the store or by a rule that judged again; 503 when it could not be announced, 504
                when what became of it is not known, 500 when it was applied and that could not be recorded.
        """
        dry_run = request.options.dry_run
        try:
            result = await self._attempt(request, lookup, announced=announced or dry_run)
        except Exception as found:
            error = self._unknown(found) if isinstance(found, OutcomeUnknown) else found
            if self._record.outcome_owned:
                await self._report_failure(error)
            raise error from None
        if dry_run:
            return result
        self._note_result(result)
        reported = self._audit.report(self._record, State.APPLIED)
        try:  # while that is on its way to disk
            if result.shown is not None and not request.of_collection:
                result = replace(result, body=await result.shown(), shown=None)
        finally:
            await reported
        return result

    async def _attempt(self, request: WriteRequest, lookup: RequestLookup, *, announced: bool) -> WriteResult:
        """Apply until it is neither the wrong version nor a taken name. Raises what ends that."""
        names_left, decisions_left = ATTEMPTS, DECISIONS
        while True:
            if not announced:
                await self._announce(lookup)
            self._applying = True
            try:
                return await self._target.apply(request, lookup.precondition)
            except PreconditionLost:
                decisions_left -= 1
                if not decisions_left:
                    raise conflict(request.scope.info.group_resource, request.name) from None
            except ApiError as error:
                if error.reason != "AlreadyExists" or self._rename is None:
                    raise
                names_left -= 1
                if not names_left:
                    raise _no_unique_name(error) from None
                request = self._rename()
            self._applying = False
            announced = request.options.dry_run
            lookup = lookup.afresh(request)
            await admit(self._admission, request, lookup, self._record)

    async def _announce(self, lookup: RequestLookup) -> None:
        if precondition := lookup.precondition:
            self._record.uid, self._record.resource_version = precondition.uid, precondition.resource_version
        await self._audit.intent([self._record])

    async def _report_failure(self, error: Exception) -> None:
        record = self._record
        if isinstance(error, PathNotFound):
            error = ApiError(404, "NotFound", "the server could not find the requested resource")
        elif not isinstance(error, ApiError):
            error = internal_error("the gateway failed unexpectedly")
        record.code, record.reason, record.message = error.code, error.reason, error.message
        doubtful = self._applying and _may_have_written(error)
        await self._audit.outcome([record], State.IN_DOUBT if doubtful else State.NOT_APPLIED)

    def _unknown(self, error: OutcomeUnknown) -> ApiError:
        return gateway_timeout(
            f"{error}; the request may or may not have been carried out, audit id {self._record.audit_id}"
        )

    def _note_result(self, result: WriteResult) -> None:
        record = self._record
        record.code = result.code
        if (written := result.written) is not None:
            record.uid = record.uid or written.uid
            if written.resource_version:
                record.annotate(POST_RESOURCE_VERSION, written.resource_version)


def _may_have_written(error: ApiError) -> bool:
    too_large = error.code == 500 and error.message.startswith(_TOO_LARGE)
    return error.code in _DOUBTFUL_CODES and not too_large


def _no_unique_name(error: ApiError) -> ApiError:
    message = f"{error.message}, the server was not able to generate a unique name for the object"
    return ApiError(409, "AlreadyExists", message, details={**error.details, "retryAfterSeconds": 1})
