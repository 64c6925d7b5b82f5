import json
from typing import Any

import pytest

from gateway.audit.event import INTENT, PARENT, STATE, Stage, State, build_event, encode_event
from gateway.audit.policy import Level
from gateway.audit.recovery import (
    RESOLUTION,
    Intent,
    RecoverySummary,
    Resolution,
    outcome_event,
    resolve,
    resolve_collection,
    scan,
    summarise,
)
from tests.gateway.audit.support import NOW, record


def line(audit_id: str, stage: Stage, notes: dict[str, str] | None = None, **fields: Any) -> bytes:
    return encode_event(build_event(record(audit_id, annotations=notes or {}, **fields), stage, Level.METADATA, NOW))


def announced(audit_id: str, **fields: Any) -> bytes:
    notes = {INTENT: "true", **fields.pop("notes", {})}
    return line(audit_id, Stage.REQUEST_RECEIVED, notes, **fields)


def reported(audit_id: str, state: State = State.APPLIED, **notes: str) -> bytes:
    return line(audit_id, Stage.RESPONSE_COMPLETE, {STATE: str(state), **notes}, code=200)


def open_intent(verb: str = "patch", subresource: str = "", uid: str = "uid-1", version: str = "7") -> Intent:
    return Intent("id", verb, "", "apps", "v1", "deployments", subresource, "shop", "web", uid, version, "", {})


def live(version: str = "7", uid: str = "uid-1") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": version}}


def test_an_intent_without_outcome_is_found_with_all_that_names_the_object() -> None:
    lines = [announced("a"), reported("a"), announced("b", uid="uid-1", resource_version="7", cluster="m1")]
    (intent,) = scan(lines).intents
    assert (intent.audit_id, intent.verb, intent.cluster) == ("b", "patch", "m1")
    assert (intent.api_group, intent.api_version, intent.resource) == ("apps", "v1", "deployments")
    assert (intent.namespace, intent.name, intent.uid, intent.resource_version) == ("shop", "web", "uid-1", "7")


def test_what_was_in_doubt_is_looked_at_once_more() -> None:
    first = [announced("a"), reported("a", State.IN_DOUBT)]
    assert [intent.audit_id for intent in scan(first).intents] == ["a"]
    closed = [*first, announced("b"), reported("b", State.IN_DOUBT, **{"audit.fleetgate.io/recovered": "true"})]
    assert [intent.audit_id for intent in scan(closed).intents] == ["a"]


def test_an_intent_announced_again_counts_as_it_was_last() -> None:
    (intent,) = scan([announced("a", resource_version="7"), announced("a", resource_version="8")]).intents
    assert intent.resource_version == "8"


def test_what_was_reported_of_objects_of_a_collection_is_kept() -> None:
    lines = [
        announced("all"),
        announced("all.0"),
        announced("all.1"),
        reported("all.0", State.APPLIED, **{PARENT: "all"}),
    ]
    found = scan(lines)
    assert [intent.audit_id for intent in found.intents] == ["all", "all.1"]
    assert found.reported_children == {"all": (State.APPLIED,)}


def test_lines_that_are_no_events_are_counted() -> None:
    assert scan([b"\n", b"{broken\n", b"[]\n", announced("a"), b"\x00\x00\n"]).unreadable_lines == 3


def test_other_events_are_no_intents() -> None:
    assert scan([line("a", Stage.REQUEST_RECEIVED), line("b", Stage.RESPONSE_STARTED, code=101)]).intents == ()


@pytest.mark.parametrize(
    ("intent", "found", "state"),
    [
        (open_intent("delete"), None, State.APPLIED),
        (open_intent("delete"), live(uid="uid-2"), State.APPLIED),
        (open_intent("delete"), live(), State.NOT_APPLIED),
        (open_intent("delete"), live("8"), State.IN_DOUBT),
        (open_intent("delete", uid="", version=""), live(), State.IN_DOUBT),
        (open_intent("patch"), live(), State.NOT_APPLIED),
        (open_intent("patch"), live("8"), State.IN_DOUBT),
        (open_intent("update"), None, State.IN_DOUBT),
        (open_intent("update", uid="", version=""), live(), State.IN_DOUBT),
        (open_intent("create", uid="", version=""), None, State.NOT_APPLIED),
        (open_intent("create", uid="", version=""), live(), State.IN_DOUBT),
        (open_intent("create", "eviction", uid="", version=""), None, State.IN_DOUBT),
    ],
)
def test_only_what_the_object_proves_is_said(intent: Intent, found: Any, state: State) -> None:
    assert resolve(intent, found).state is state


@pytest.mark.parametrize(
    ("children", "state"),
    [
        ([State.APPLIED, State.APPLIED], State.APPLIED),
        ([State.NOT_APPLIED], State.NOT_APPLIED),
        ([State.APPLIED, State.NOT_APPLIED], State.PARTLY_APPLIED),
        ([State.APPLIED, State.IN_DOUBT], State.IN_DOUBT),
        ([], State.IN_DOUBT),
    ],
)
def test_a_collection_is_the_sum_of_its_objects(children: list[State], state: State) -> None:
    assert resolve_collection(children).state is state


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.APPLIED, 200), (State.NOT_APPLIED, 503), (State.PARTLY_APPLIED, 500), (State.IN_DOUBT, 500)],
)
def test_the_closing_event_is_an_ordinary_outcome(state: State, code: int) -> None:
    (intent,) = scan([announced("a", notes={PARENT: "p"})]).intents
    event = outcome_event(intent, Resolution(state, "why"), NOW + 60)
    assert event["stage"] == "ResponseComplete"
    assert event["responseStatus"]["code"] == code
    assert event["auditID"] == "a"
    assert event["requestReceivedTimestamp"] == "2023-11-14T22:13:20.000000Z"
    assert event["stageTimestamp"] == "2023-11-14T22:14:20.000000Z"
    assert event["annotations"] == {
        PARENT: "p",
        STATE: str(state),
        "audit.fleetgate.io/recovered": "true",
        RESOLUTION: "why",
    }
    assert json.loads(encode_event(event))["user"]["username"] == "alice"


def test_the_summary_counts() -> None:
    states = [State.APPLIED, State.IN_DOUBT, State.IN_DOUBT, State.PARTLY_APPLIED]
    assert summarise(states) == RecoverySummary(applied=1, not_applied=0, partly_applied=1, in_doubt=2)
