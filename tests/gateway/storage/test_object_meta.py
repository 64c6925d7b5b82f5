import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.object_meta import (
    carry_system_fields,
    check_name,
    check_namespace,
    fill_system_fields,
    mark_deleting,
    parse_timestamp,
    timestamp,
)

NOW = 1_780_000_000.0


def test_times_are_written_in_seconds_and_read_back() -> None:
    assert timestamp(NOW + 0.9) == "2026-05-28T20:26:40Z"
    assert parse_timestamp("2026-05-28T20:26:40Z") == NOW


def test_an_object_is_put_into_the_namespace_of_the_request() -> None:
    obj: JsonObject = {"metadata": {"name": "a"}}
    check_namespace(obj, "ns")
    assert obj["metadata"]["namespace"] == "ns"
    with pytest.raises(ApiError, match="the namespace of the provided object does not match"):
        check_namespace(obj, "other")
    with pytest.raises(ApiError, match="the namespace of the provided object does not match"):
        check_namespace(obj, "")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        ({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)"),
    ],
)
def test_an_object_must_be_the_one_its_url_names(metadata: JsonObject, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_name({"metadata": metadata}, ObjectKey("ns", "a"))
    assert (refusal.value.code, refusal.value.message) == (400, message)


def test_a_new_object_has_only_system_fields_of_the_server() -> None:
    obj = {"metadata": {"name": "a", "uid": "x", "deletionTimestamp": "t", "selfLink": "/", "resourceVersion": "1"}}
    fill_system_fields(obj, "new", "now")
    assert obj["metadata"] == {"name": "a", "uid": "new", "creationTimestamp": "now"}


def test_an_update_cannot_change_system_fields() -> None:
    old = {"metadata": {"uid": "u", "creationTimestamp": "c", "deletionTimestamp": "d", "generation": 4}}
    obj: JsonObject = {"metadata": {"creationTimestamp": "x", "generation": 9, "selfLink": "/"}}
    carry_system_fields(obj, old)
    assert obj["metadata"] == old["metadata"]
    other = {"metadata": {"uid": "other"}}
    carry_system_fields(other, old)
    assert other["metadata"]["uid"] == "other", "validation refuses it, nobody hides it"


def test_marking_raises_the_generation_once_and_never_delays() -> None:
    obj: JsonObject = {"metadata": {"generation": 1}}
    mark_deleting(obj, NOW, 30)
    assert obj["metadata"] == {
        "generation": 2,
        "deletionTimestamp": timestamp(NOW + 30),
        "deletionGracePeriodSeconds": 30,
    }
    mark_deleting(obj, NOW, 0)
    assert obj["metadata"]["deletionTimestamp"] == timestamp(NOW)
    mark_deleting(obj, NOW + 100, 0)
    assert obj["metadata"]["deletionTimestamp"] == timestamp(NOW)
    assert obj["metadata"]["generation"] == 2
