"""Rules for metadata that test_validation.py cannot have recorded: admission and storage stand before them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.validation.names import dns_subdomain
from gateway.storage.validation.object_meta import (
    ANNOTATIONS_LIMIT,
    validate_changed_metadata,
    validate_new_metadata,
)


def obj(**metadata: Any) -> JsonObject:
    return {"metadata": {"name": "a", "namespace": "ns", **metadata}}


def found(
    new: JsonObject, old: JsonObject | None = None, *, namespaced: bool = True, builtin: bool = True
) -> list[str]:
    if old is None:
        causes = validate_new_metadata(new, dns_subdomain, namespaced=namespaced, builtin=builtin)
    else:
        causes = validate_changed_metadata(new, old, builtin=builtin)
    return [f"{cause['field']}: {cause['message']}" for cause in causes]


def test_objects_are_in_a_namespace_or_not_as_their_kind_says() -> None:
    assert found(obj()) == []
    assert found(obj(namespace="")) == ["metadata.namespace: Required value"]
    assert found(obj(namespace=""), namespaced=False) == []
    assert found(obj(), namespaced=False) == ["metadata.namespace: Forbidden: not allowed on this type"]
    assert len(found(obj(namespace="Bad_"))) == 1


def test_finalizers_of_custom_resources_need_no_domain() -> None:
    assert found(obj(finalizers=["plain"]), builtin=False) == []
    assert found(obj(finalizers=["plain"]), obj(), builtin=False) == []
    assert len(found(obj(finalizers=["plain"]), obj())) == 1


def test_updates_hold_finalizers_to_their_form_too() -> None:
    faults = found(obj(finalizers=[""]), obj(), builtin=False)
    assert len(faults) == 2
    assert faults[0] == 'metadata.finalizers: Invalid value: "": name part must be non-empty'


def test_an_object_that_is_being_deleted_takes_no_new_finalizers() -> None:
    going = obj(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["a.b/c"])
    assert found(going, going) == []
    assert found(obj(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["a.b/c", "a.b/e", "a.b/d"]), going) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new "
        'finalizers []string{"a.b/d", "a.b/e"}'
    ]


def test_the_generation_never_goes_back() -> None:
    assert found(obj(generation=2), obj(generation=1)) == []
    assert found(obj(), obj(generation=1)) == ["metadata.generation: Invalid value: 0: must not be decremented"]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "b", '"b"'),
        ("namespace", "", '""'),
        ("uid", "u", '"u"'),
        ("creationTimestamp", "2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
        ("deletionTimestamp", "2026-01-01T00:00:00Z", '"2026-01-01T00:00:00Z"'),
        ("deletionGracePeriodSeconds", 5, "5"),
    ],
)
def test_what_identifies_an_object_never_changes(field: str, value: Any, text: str) -> None:
    assert found(obj(**{field: value}), obj()) == [f"metadata.{field}: Invalid value: {text}: field is immutable"]


def test_annotations_have_a_limit_together() -> None:
    fits = {"a": "x" * (ANNOTATIONS_LIMIT - 2), "b": ""}
    assert found(obj(annotations=fits)) == []
    assert found(obj(annotations={**fits, "c": ""})) == [
        f"metadata.annotations: Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
    ]
