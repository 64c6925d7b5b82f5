"""Rules for kinds that hold things; most are recorded in test_validation.py."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.validation.causes import Causes
from gateway.storage.validation.configuration import (
    DATA_LIMIT,
    validate_config_map,
    validate_event,
    validate_persistent_volume_claim,
    validate_secret,
)


def found(causes: Causes) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in causes]


def test_a_config_map_holds_a_mebibyte_together() -> None:
    half = DATA_LIMIT // 2
    fits = {"data": {"a": "x" * half}, "binaryData": {"b": base64.b64encode(b"x" * half).decode()}}
    assert found(validate_config_map(fits, None)) == []
    more = {**fits, "data": {"a": "x" * (half + 1)}}
    assert found(validate_config_map(more, None)) == [f": Too long: may not be more than {DATA_LIMIT} bytes"]


def test_a_secret_holds_a_mebibyte_of_decoded_data() -> None:
    def secret(size: int) -> JsonObject:
        return {"type": "Opaque", "data": {"a": base64.b64encode(b"x" * size).decode()}}

    assert found(validate_secret(secret(DATA_LIMIT), None)) == []
    assert found(validate_secret(secret(DATA_LIMIT + 1), None)) == [
        f"data: Too long: may not be more than {DATA_LIMIT} bytes"
    ]


def test_data_that_is_no_base64_is_somebody_elses_to_judge() -> None:
    assert found(validate_secret({"type": "Opaque", "data": {"a": "x"}}, None)) == []


@pytest.mark.parametrize(
    ("namespace", "involved", "time", "faults"),
    [
        ("default", "", None, 0),
        ("ns", "", None, 1),
        ("ns", "ns", None, 0),
        ("ns", "other", None, 1),
        ("kube-system", "", None, 1),
        ("kube-system", "", "2026-01-01T00:00:00.000000Z", 0),
        ("ns", "", "2026-01-01T00:00:00.000000Z", 1),
        ("ns", "other", "2026-01-01T00:00:00.000000Z", 0),
    ],
)
def test_events_are_where_what_they_are_about_is(namespace: str, involved: str, time: Any, faults: int) -> None:
    event = {
        "metadata": {"namespace": namespace},
        "involvedObject": {"namespace": involved},
        "eventTime": time,
        "reportingComponent": "a/b",
        "reportingInstance": "c",
        "action": "d",
        "reason": "e",
    }
    assert len(found(validate_event(event, None))) == faults


def claim(phase: str = "Pending", **spec: Any) -> JsonObject:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "a"}
    return {"spec": {**wanted, **spec}, "status": {"phase": phase}}


def test_a_claim_grows_only_when_it_is_bound() -> None:
    bigger = {"requests": {"storage": "2Gi"}}
    assert found(validate_persistent_volume_claim(claim("Bound", resources=bigger), claim("Bound"))) == []
    assert len(found(validate_persistent_volume_claim(claim(resources=bigger), claim()))) == 1


def test_binding_fills_in_the_volume() -> None:
    assert found(validate_persistent_volume_claim(claim(volumeName="v"), claim())) == []
    assert len(found(validate_persistent_volume_claim(claim(volumeName="w"), claim(volumeName="v")))) == 1
