import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.event import (
    EVENT_LIMIT,
    OBJECT_LIMIT,
    TRUNCATED,
    Stage,
    build_event,
    build_notice,
    encode_event,
    printable,
    timestamp,
)
from gateway.audit.policy import Level
from gateway.request import UserInfo
from tests.gateway.audit.support import NOW, record


def test_an_outcome_is_what_kube_apiserver_would_write() -> None:
    filled = record(
        impersonated=UserInfo("bob"),
        cluster="member1",
        code=200,
        uid="uid-1",
        resource_version="7",
        request_object={"spec": {"replicas": 3}},
        annotations={"authorization.k8s.io/decision": "allow"},
    )
    assert build_event(filled, Stage.RESPONSE_COMPLETE, Level.REQUEST, NOW + 0.25) == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": "id-1",
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/shop/deployments/web",
        "verb": "patch",
        "user": {
            "username": "alice",
            "uid": "u-1",
            "groups": ["dev"],
            "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=ab"]},
        },
        "impersonatedUser": {"username": "bob"},
        "sourceIPs": ["192.0.2.1"],
        "userAgent": "kubectl/v1.36",
        "objectRef": {
            "resource": "deployments",
            "namespace": "shop",
            "name": "web",
            "uid": "uid-1",
            "apiGroup": "apps",
            "apiVersion": "v1",
            "resourceVersion": "7",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestObject": {"spec": {"replicas": 3}},
        "requestReceivedTimestamp": "2023-11-14T22:13:20.000000Z",
        "stageTimestamp": "2023-11-14T22:13:20.250000Z",
        "annotations": {"authorization.k8s.io/decision": "allow", "audit.fleetgate.io/cluster": "member1"},
    }


def test_an_intent_has_no_answer_and_no_object() -> None:
    event = build_event(record(request_object={"a": 1}), Stage.REQUEST_RECEIVED, Level.METADATA, NOW)
    assert "responseStatus" not in event
    assert "requestObject" not in event
    assert "annotations" not in event


def test_a_refusal_is_a_failed_status() -> None:
    event = build_event(record(code=403, reason="Forbidden", message="no"), Stage.RESPONSE_COMPLETE, Level.METADATA, 0)
    assert event["responseStatus"] == {
        "metadata": {},
        "status": "Failure",
        "message": "no",
        "reason": "Forbidden",
        "code": 403,
    }


def test_a_request_about_no_resource_names_none() -> None:
    event = build_event(record(path="/version", method="GET", user=None), Stage.RESPONSE_COMPLETE, Level.METADATA, NOW)
    assert "objectRef" not in event
    assert event["user"] == {}


def test_a_created_object_is_named_by_what_the_handler_knows() -> None:
    filled = record(method="POST", path="/api/v1/namespaces/shop/pods", object_name="web-x7k2p")
    assert build_event(filled, Stage.REQUEST_RECEIVED, Level.METADATA, NOW)["objectRef"]["name"] == "web-x7k2p"


def test_timestamps_are_micro_times() -> None:
    assert timestamp(NOW) == "2023-11-14T22:13:20.000000Z"
    assert timestamp(NOW + 0.000_25) == "2023-11-14T22:13:20.000250Z"
    assert timestamp(NOW + 0.999_999_9) == "2023-11-14T22:13:21.000000Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("kubectl/v1.36 (linux)", "kubectl/v1.36 (linux)"),
        ("a\r\nb\x1b[31mred", r"a\r\nb\x1b[31mred"),
        ("right\u202eleft", r"right\u202eleft"),
        ("über", "über"),
        ("\udc80broken", r"\udc80broken"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text, 1024) == shown


def test_foreign_texts_make_one_short_line_of_ascii() -> None:
    filled = record(user_agent="x\n" + "\u202e" * 4096, request_uri="/?" + "ä" * 100_000, code=200)
    filled.annotate("audit.fleetgate.io/client-audit-id", "\x00\n" * 9000)
    line = encode_event(build_event(filled, Stage.RESPONSE_COMPLETE, Level.METADATA, NOW))
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert b"\\u202e" in line
    assert len(json.loads(line)["userAgent"]) == 1024
    assert len(line) < EVENT_LIMIT


_TEXTS = st.text(st.characters() | st.sampled_from("\x7f\n\u2028\ud800"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
)


@given(_VALUES)
def test_whatever_is_recorded_is_one_line_of_printable_ascii_and_reads_back(value: Any) -> None:
    line = encode_event({"requestObject": value})
    assert json.loads(line) == {"requestObject": value}
    assert line.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])


def test_a_large_object_is_left_out_and_that_is_said() -> None:
    big: Any = {"data": {"blob": "x" * (OBJECT_LIMIT + 1)}}
    event = json.loads(
        encode_event(build_event(record(code=200, request_object=big), Stage.RESPONSE_COMPLETE, Level.REQUEST, NOW))
    )
    assert "requestObject" not in event
    assert event["annotations"] == {TRUNCATED: "true"}


def test_an_object_that_fits_stays_in_a_long_line() -> None:
    fits: Any = {"data": {"blob": "x" * (OBJECT_LIMIT - 100)}}
    event = json.loads(
        encode_event(build_event(record(code=200, request_object=fits), Stage.RESPONSE_COMPLETE, Level.REQUEST, NOW))
    )
    assert event["requestObject"] == fits
    assert "annotations" not in event


def test_a_user_of_too_many_groups_still_has_a_name() -> None:
    crowd = UserInfo("alice", groups=tuple(f"group-{index:06}" + "x" * 1000 for index in range(400)))
    filled = record(user=crowd, impersonated=crowd, code=200)
    line = encode_event(build_event(filled, Stage.RESPONSE_COMPLETE, Level.METADATA, NOW))
    assert len(line) < EVENT_LIMIT
    event = json.loads(line)
    assert event["user"] == event["impersonatedUser"] == {"username": "alice"}
    assert event["annotations"][TRUNCATED] == "true"


def test_the_log_speaks_in_events_too() -> None:
    event = build_notice("id-9", "started", NOW)
    assert event["apiVersion"] == "audit.k8s.io/v1"
    assert event["user"] == {"username": "system:fleetgate"}
    assert event["annotations"] == {"audit.fleetgate.io/notice": "started"}


def test_a_line_too_long_without_impersonation_is_cut_as_well() -> None:
    crowd = UserInfo("alice", groups=("x" * 1000,) * 400)
    line = encode_event(build_event(record(user=crowd, code=200), Stage.RESPONSE_COMPLETE, Level.METADATA, NOW))
    assert "impersonatedUser" not in json.loads(line)
