"""Opens the audit record of a request and closes it with the answer's code.

The intent and outcome of writes are recorded by the write handler; what is left here are reads, connects and refusals,
as the audit policy says. An inbound Audit-ID is kept as an annotation: it is the client's word.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import hdrs, web
from multidict import istr

from gateway.apimachinery.errors import ApiError
from gateway.audit.record import CLIENT_AUDIT_ID, AuditRecord
from gateway.handlers.response import answer_code
from gateway.request_keys import AUDIT, AUDIT_ID, RECEIVED_AT, REQUEST_INFO, Filter, Handler

_AUDIT_ID = istr("Audit-ID")


class Recorder(Protocol):
    """Where records of answered requests go: the audit log, or who has one."""

    async def complete(self, record: AuditRecord) -> None:
        """Record an answered request if the policy wants it, on disk before returning. Never raises."""
        ...


def open_record(request: web.BaseRequest) -> AuditRecord:
    """Return a record with all that is known before anybody is authenticated."""
    record = AuditRecord(
        audit_id=request[AUDIT_ID],
        received=request[RECEIVED_AT],
        request_uri=request.raw_path,
        source_ips=(request.remote,) if request.remote else (),
        user_agent=request.headers.get(hdrs.USER_AGENT, ""),
    )
    record.info = request[REQUEST_INFO]
    if client_id := request.headers.get(_AUDIT_ID):
        record.annotate(CLIENT_AUDIT_ID, client_id)
    return record


def with_audit(audit: Recorder) -> Filter:
    """Record how every request ended. Stands outside of what may refuse it, so that refusals are recorded too."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            record = request[AUDIT] = open_record(request)
            try:
                response = await handler(request)
                record.code = response.status
                return response
            except BaseException as error:
                record.code = answer_code(request, error)
                if isinstance(error, ApiError):
                    record.reason, record.message = error.reason, error.message
                raise
            finally:
                await audit.complete(record)

        return serve

    return wrap
