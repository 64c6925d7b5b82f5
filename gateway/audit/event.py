"""Builds audit.k8s.io/v1 Events and their lines: what reviewers' tools (jq, Falco, Sigma rules) read. Pure.

One event is one line of ASCII under EVENT_LIMIT bytes, whatever a client put into its headers.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.audit.policy import Level
from gateway.audit.record import PREFIX, AuditRecord
from gateway.request import RequestInfo, UserInfo

EVENT_LIMIT = 256 * 1024
"""Falco's k8saudit source drops longer events."""

OBJECT_LIMIT = 100 * 1024
"""Bytes of a request object that are kept; longer ones are left out (kube-apiserver's --audit-log-truncate size)."""

USER_AGENT_LIMIT = 1024
URI_LIMIT = 4 * 1024
TEXT_LIMIT = 2 * 1024
NAME_LIMIT = 1024

TRUNCATED = "audit.k8s.io/truncated"
INTENT = f"{PREFIX}intent"
STATE = f"{PREFIX}state"
CLUSTER = f"{PREFIX}cluster"
NOTICE = f"{PREFIX}notice"
PARENT = f"{PREFIX}parentAuditID"
RECOVERED = f"{PREFIX}recovered"

SELF = "system:fleetgate"
"""The user named in the log's own notices."""


_SECONDS_REMEMBERED = 16
_USERS_REMEMBERED = 256
_users: dict[str, tuple[UserInfo, JsonObject]] = {}
"""Users by the credential they came with, as events have them: the same for as long as the same one asks."""


class Stage(StrEnum):
    """When in a request's life an event was made (audit.k8s.io)."""

    REQUEST_RECEIVED = "RequestReceived"
    RESPONSE_STARTED = "ResponseStarted"
    RESPONSE_COMPLETE = "ResponseComplete"


class State(StrEnum):
    """What became of an intent."""

    APPLIED = "applied"
    NOT_APPLIED = "not-applied"
    PARTLY_APPLIED = "partly-applied"
    """Of a deletecollection: its objects have outcomes of their own."""
    IN_DOUBT = "in-doubt"


def timestamp(seconds: float) -> str:
    """Return RFC 3339 with microseconds, as metav1.MicroTime."""
    whole, microseconds = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{microseconds:06}Z"


@lru_cache(_SECONDS_REMEMBERED)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def printable(text: str, limit: int) -> str:
    r"""Return at most `limit` characters, what is not printable (control, bidirectional marks) written as `\u202e`."""
    cut = text[:limit]
    if cut.isascii() and cut.isprintable():
        return cut
    escaped = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in cut.encode("utf-8", "backslashreplace").decode("utf-8")
    )
    return escaped[:limit]


def build_event(record: AuditRecord, stage: Stage, level: Level, now: float) -> JsonObject:
    """Return the Event of a record at a stage; the request object is part of it once the answer is known."""
    event: JsonObject = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": str(level),
        "auditID": record.audit_id,
        "stage": str(stage),
        "requestURI": printable(record.request_uri, URI_LIMIT),
        "verb": record.info.verb if record.info else "",
        "user": _user(record.user),
    }
    if record.impersonated:
        event["impersonatedUser"] = _user(record.impersonated)
    event["sourceIPs"] = list(record.source_ips)
    event["userAgent"] = printable(record.user_agent, USER_AGENT_LIMIT)
    if record.info and record.info.is_resource_request:
        event["objectRef"] = _object_reference(record.info, record)
    if stage is not Stage.REQUEST_RECEIVED:
        event["responseStatus"] = response_status(record.code, record.reason, record.message)
        if level is Level.REQUEST and record.request_object is not None:
            event["requestObject"] = record.request_object
    event["requestReceivedTimestamp"] = timestamp(record.received)
    event["stageTimestamp"] = timestamp(now)
    notes = {**record.annotations, **({CLUSTER: record.cluster} if record.cluster else {})}
    if notes:
        event["annotations"] = {key: printable(value, TEXT_LIMIT) for key, value in notes.items()}
    return event


def build_notice(audit_id: str, text: str, now: float) -> JsonObject:
    """Return an Event by which the log speaks about itself: started, torn tail, re-opened."""
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": str(Level.METADATA),
        "auditID": audit_id,
        "stage": str(Stage.RESPONSE_COMPLETE),
        "requestURI": "",
        "verb": "",
        "user": {"username": SELF},
        "requestReceivedTimestamp": timestamp(now),
        "stageTimestamp": timestamp(now),
        "annotations": {NOTICE: printable(text, TEXT_LIMIT)},
    }


def response_status(code: int, reason: str, message: str) -> JsonObject:
    """Return the Status of an answer as events hold it."""
    status: JsonObject = {"metadata": {}}
    if reason or message:
        status.update({"status": "Failure", "message": printable(message, TEXT_LIMIT), "reason": reason})
    status["code"] = code
    return status


def encode_event(event: JsonObject) -> bytes:
    """Return the event's line. What does not fit is left out, the object first, then groups; TRUNCATED says so."""
    line = _line(event)
    if len(line) <= OBJECT_LIMIT:
        return line
    if "requestObject" in event and len(_line(event["requestObject"])) > OBJECT_LIMIT:
        event = _truncated(event, "requestObject")
        line = _line(event)
    if len(line) <= EVENT_LIMIT:
        return line
    event = _truncated(event, "requestObject")
    for who in ("user", "impersonatedUser"):
        if who in event:
            event[who] = {key: value for key, value in event[who].items() if key in {"username", "uid"}}
    return _line(event)


def _truncated(event: JsonObject, field: str) -> JsonObject:
    kept = {key: value for key, value in event.items() if key != field}
    kept["annotations"] = {**kept.get("annotations", {}), TRUNCATED: "true"}
    return kept


def _line(value: Any) -> bytes:
    try:
        line = msgspec.json.encode(value)
        if line.isascii() and b"\x7f" not in line:  # nearly always, and several times as fast
            return line + b"\n"
    except (TypeError, ValueError, OverflowError):
        pass  # lone surrogates and very large numbers are the other encoder's
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _user(user: UserInfo | None) -> JsonObject:
    """Return a user as events have him; not to be changed, for it is the same while the same one asks."""
    if user is None:
        return {}
    known = _users.get(user.credential_fingerprint)
    if known is None or known[0] is not user:
        if len(_users) >= _USERS_REMEMBERED:
            _users.clear()
        known = _users[user.credential_fingerprint] = user, _user_fields(user)
    return known[1]


def _user_fields(user: UserInfo) -> JsonObject:
    fields: JsonObject = {"username": printable(user.name, NAME_LIMIT)}
    if user.uid:
        fields["uid"] = printable(user.uid, NAME_LIMIT)
    if user.groups:
        fields["groups"] = [printable(group, NAME_LIMIT) for group in user.groups]
    if user.extra:
        fields["extra"] = {key: list(values) for key, values in user.extra.items()}
    return fields


def _object_reference(info: RequestInfo, record: AuditRecord) -> JsonObject:
    reference = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name or record.object_name,
        "uid": record.uid,
        "apiGroup": info.api_group,
        "apiVersion": info.api_version,
        "resourceVersion": record.resource_version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in reference.items() if value}
