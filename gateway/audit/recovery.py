"""After a crash: which writes were announced and never reported, and what became of them. Pure.

What cannot be known is called in doubt and shown to reviewers; nothing is guessed. The log reads the file and asks the
stores; here is decided what lines and live objects mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.apimachinery.meta import JsonObject, resource_version, uid
from gateway.audit.event import CLUSTER, INTENT, PARENT, RECOVERED, STATE, Stage, State, response_status, timestamp

RESOLUTION = "audit.fleetgate.io/resolution"


@dataclass(frozen=True, slots=True)
class Intent:
    """A write that was announced by `event`; `resource_version` and `uid` are those of the object it was judged on."""

    audit_id: str
    verb: str
    cluster: str
    api_group: str
    api_version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    parent: str
    event: JsonObject


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file says: the intents without a final outcome, and lines that are no events.

    `reported_children` has, by audit id of a deletecollection, what was reported of single objects.
    """

    intents: tuple[Intent, ...] = ()
    unreadable_lines: int = 0
    reported_children: Mapping[str, tuple[State, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of an intent, and how that is known."""

    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class RecoverySummary:
    """How many intents were open after a restart, by what became of them."""

    applied: int = 0
    not_applied: int = 0
    partly_applied: int = 0
    in_doubt: int = 0


class _Line(msgspec.Struct, rename={"audit_id": "auditID"}):
    audit_id: str
    stage: str
    annotations: dict[str, str] = {}


_decoder = msgspec.json.Decoder(_Line)


def scan(lines: Iterable[bytes]) -> Scan:
    """Find the intents whose outcome is missing or was in doubt."""
    open_lines: dict[str, bytes] = {}
    doubtful: dict[str, bytes] = {}
    children: dict[str, tuple[State, ...]] = {}
    unreadable = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            event = _decoder.decode(line)
        except msgspec.MsgspecError:
            unreadable += 1
            continue
        if event.stage == Stage.REQUEST_RECEIVED and INTENT in event.annotations:
            open_lines[event.audit_id] = line
        elif event.stage == Stage.RESPONSE_COMPLETE and event.audit_id in open_lines:
            intent = open_lines.pop(event.audit_id)
            state = event.annotations.get(STATE)
            if state == State.IN_DOUBT and RECOVERED not in event.annotations:
                doubtful[event.audit_id] = intent
            elif state and (parent := event.annotations.get(PARENT)):
                children[parent] = (*children.get(parent, ()), State(state))
    found = tuple(_intent(msgspec.json.decode(line)) for line in [*open_lines.values(), *doubtful.values()])
    return Scan(found, unreadable, children)


def resolve(intent: Intent, live: JsonObject | None) -> Resolution:
    """Tell from the live object what became of an intent to change that one object."""
    if intent.subresource and intent.verb == "create":
        return Resolution(State.IN_DOUBT, "what such a request does cannot be seen on the object")
    if intent.verb == "create":
        if live is None:
            return Resolution(State.NOT_APPLIED, "there is no such object")
        return Resolution(State.IN_DOUBT, "there is such an object; whether by this request is unknown")
    gone = live is None or bool(intent.uid and uid(live) != intent.uid)
    if intent.verb == "delete":
        if gone:
            return Resolution(State.APPLIED, "the object is gone")
    elif gone:
        return Resolution(State.IN_DOUBT, "the object is gone")
    if live is not None and intent.resource_version and resource_version(live) == intent.resource_version:
        return Resolution(State.NOT_APPLIED, "the object is as it was")
    return Resolution(State.IN_DOUBT, "the object may have been changed by others")


def resolve_collection(children: Sequence[State]) -> Resolution:
    """Tell what became of a deletecollection from its objects, which have events of their own."""
    applied = sum(state is State.APPLIED for state in children)
    reason = f"{applied} of {len(children)} objects were deleted; each has an event that names this one as its parent"
    if State.IN_DOUBT in children or not children:
        return Resolution(State.IN_DOUBT, reason)
    if applied == len(children):
        return Resolution(State.APPLIED, reason)
    return Resolution(State.PARTLY_APPLIED if applied else State.NOT_APPLIED, reason)


_CODES: Mapping[State, int] = {
    State.APPLIED: 200,
    State.NOT_APPLIED: 503,
    State.PARTLY_APPLIED: 500,
    State.IN_DOUBT: 500,
}


def outcome_event(intent: Intent, resolution: Resolution, now: float) -> JsonObject:
    """Return the event that closes an intent after a restart; the code is what the client should have been told."""
    event = {key: value for key, value in intent.event.items() if key not in {"stageTimestamp", "annotations"}}
    refused = resolution.state is not State.APPLIED
    event["stage"] = str(Stage.RESPONSE_COMPLETE)
    event["responseStatus"] = response_status(
        _CODES[resolution.state],
        "ServiceUnavailable" if refused else "",
        "the gateway stopped before it could answer" if refused else "",
    )
    event["stageTimestamp"] = timestamp(now)
    kept = {key: value for key, value in intent.event.get("annotations", {}).items() if key != INTENT}
    found = {STATE: str(resolution.state), RECOVERED: "true", RESOLUTION: resolution.reason}
    event["annotations"] = {**kept, **found}
    return event


def summarise(states: Iterable[State]) -> RecoverySummary:
    """Count resolved intents."""
    counted = Counter(states)
    return RecoverySummary(
        counted[State.APPLIED], counted[State.NOT_APPLIED], counted[State.PARTLY_APPLIED], counted[State.IN_DOUBT]
    )


def _intent(event: JsonObject) -> Intent:
    reference: Mapping[str, Any] = event.get("objectRef", {})
    notes: Mapping[str, str] = event.get("annotations", {})
    return Intent(
        audit_id=event["auditID"],
        verb=event.get("verb", ""),
        cluster=notes.get(CLUSTER, ""),
        api_group=reference.get("apiGroup", ""),
        api_version=reference.get("apiVersion", ""),
        resource=reference.get("resource", ""),
        subresource=reference.get("subresource", ""),
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        uid=reference.get("uid", ""),
        resource_version=reference.get("resourceVersion", ""),
        parent=notes.get(PARENT, ""),
        event=event,
    )
