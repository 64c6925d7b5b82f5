"""metadata.managedFields. What kube-apiserver makes of writes is in test_patch.py; here are the corners."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.field_set import FieldSet
from gateway.apimachinery.patch.managed_fields import (
    APPLY,
    MAX_UPDATE_ENTRIES,
    UPDATE,
    InvalidManagedFields,
    Manager,
    Ownership,
    decode_managers,
    encode_managers,
    manager_of,
    track_update,
)
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.typed_schema import custom_type
from gateway.apimachinery.schema import GroupVersionKind

WIDGET = GroupVersionKind("example.com", "v1", "Widget")
TIME = "2026-01-01T00:00:00Z"


def options(manager: str, *, at: str = TIME, subresource: str = "") -> PatchOptions:
    return PatchOptions(custom_type(WIDGET, None), manager, at, subresource)


def widget(managed_fields: Any = None, **fields: Any) -> JsonObject:
    metadata: JsonObject = {"name": "w"}
    if managed_fields is not None:
        metadata["managedFields"] = managed_fields
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, **fields}


def entry(manager: str = "m", **more: Any) -> JsonObject:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "example.com/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:a": {}},
        **more,
    }


def owners(obj: JsonObject) -> dict[str, Any]:
    return {found["manager"]: found["fieldsV1"] for found in obj["metadata"].get("managedFields", [])}


def test_entries_are_ordered_by_operation_time_and_name() -> None:
    fields = FieldSet.of([("f:a",)])
    managers = {
        Manager("z", UPDATE, "v1"): Ownership(fields, "v1", "2026-01-01T00:00:00Z"),
        Manager("a", UPDATE, "v1"): Ownership(fields, "v1", "2026-01-02T00:00:00Z"),
        Manager("s", UPDATE, "v1", "scale"): Ownership(fields, "v1"),
        Manager("y", APPLY): Ownership(fields, "v1", "2026-01-03T00:00:00Z"),
    }
    encoded = encode_managers(managers)
    assert [found["manager"] for found in encoded] == ["y", "s", "z", "a"]
    assert encoded[1] == {
        "manager": "s",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:a": {}},
        "subresource": "scale",
    }
    assert decode_managers(encoded) == managers


def test_an_applier_stays_the_same_when_it_changes_versions() -> None:
    read = decode_managers([entry(operation="Apply", apiVersion="example.com/v2")])
    assert read == {Manager("m", APPLY): Ownership(FieldSet.of([("f:a",)]), "example.com/v2")}


def test_managers_without_a_name_are_unknown() -> None:
    assert manager_of(options(""), UPDATE) == Manager("unknown", UPDATE, "example.com/v1")


@pytest.mark.parametrize(
    "wrong", [{"operation": "Steal"}, {"apiVersion": ""}, {"fieldsType": "V2"}, {"fieldsV1": {"nonsense": {}}}]
)
def test_entries_that_cannot_be_read_are_refused(wrong: JsonObject) -> None:
    with pytest.raises(InvalidManagedFields):
        decode_managers([entry(**wrong)])


def test_a_client_that_knows_nothing_of_managers_does_not_lose_them() -> None:
    old = widget([entry()], a=1, b=1)
    assert owners(track_update(old, widget(a=1, b=2), options("u"))) == {"m": {"f:a": {}}, "u": {"f:b": {}}}
    assert owners(track_update(old, widget([entry(operation="?")], a=1, b=1), options("u"))) == {"m": {"f:a": {}}}


def test_a_client_may_edit_them() -> None:
    old = widget([entry()], a=1, b=1)
    assert owners(track_update(old, widget([entry("other")], a=1, b=1), options("u"))) == {"other": {"f:a": {}}}


def test_a_subresource_cannot_edit_or_forget_them() -> None:
    old = widget([entry()], a=1)
    edits: list[Any] = [[], [{}], [entry("other")]]
    for sent in edits:
        assert owners(track_update(old, widget(sent, a=1), options("u", subresource="status"))) == {"m": {"f:a": {}}}


@pytest.mark.parametrize("sent", [[], [{}]])
def test_they_can_be_forgotten_and_then_stay_so(sent: Any) -> None:
    forgotten = track_update(widget([entry()], a=1), widget(sent, a=2), options("u"))
    assert owners(forgotten) == {}
    assert owners(track_update(forgotten, widget(a=3), options("u"))) == {}


def test_objects_that_cannot_be_read_lose_them() -> None:
    schema = {"type": "object", "properties": {"l": {"type": "array", "x-kubernetes-list-type": "set"}}}
    typed = PatchOptions(custom_type(WIDGET, schema), "u", TIME)
    assert owners(track_update(widget([entry()], l=[]), widget(l=[None]), typed)) == {}


def test_unreadable_managers_of_the_old_object_count_as_none() -> None:
    assert owners(track_update(widget([entry(operation="?")], a=1), widget(a=2), options("u"))) == {}


def test_writing_nothing_leaves_times_alone() -> None:
    old = widget([entry("u", time=TIME)], a=1)
    again = track_update(old, widget(a=1), options("u", at="2026-02-02T00:00:00Z"))
    assert again["metadata"]["managedFields"] == [entry("u", time=TIME)]


def test_the_oldest_updates_of_a_version_are_merged_when_there_are_too_many() -> None:
    obj = widget()
    for number in range(MAX_UPDATE_ENTRIES + 3):
        new = {**obj, f"f{number:02}": 1}
        obj = track_update(
            None if number == 0 else obj, new, options(f"m{number:02}", at=f"2026-01-01T00:00:{number:02}Z")
        )
    found = owners(obj)
    assert len(found) == MAX_UPDATE_ENTRIES
    assert found["ancient-changes"] == {"f:f00": {}, "f:f01": {}, "f:f02": {}, "f:f03": {}}
    oldest = obj["metadata"]["managedFields"][0]
    assert (oldest["manager"], oldest["time"]) == ("ancient-changes", "2026-01-01T00:00:03Z")


def test_updates_of_different_versions_are_never_merged() -> None:
    entries = [
        entry(f"m{number}", apiVersion=f"example.com/v{number + 2}", fieldsV1={f"f:f{number}": {}})
        for number in range(MAX_UPDATE_ENTRIES + 2)
    ]
    old = widget(entries, **{f"f{number}": 1 for number in range(MAX_UPDATE_ENTRIES + 2)})
    assert len(owners(track_update(old, {**old, "x": 1}, options("u")))) == MAX_UPDATE_ENTRIES + 3


@pytest.mark.parametrize("junk", [[None], [0], ["a"], [[]]])
def test_entries_of_another_shape_cannot_be_read(junk: Any) -> None:
    with pytest.raises(InvalidManagedFields):
        decode_managers(junk)
