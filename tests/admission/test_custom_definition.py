from typing import Any

import pytest

from admission.custom_definition import keeps, scale_paths, served_versions, shares_fields, storage_version, versions
from tests.admission.support import REPLICAS_SCHEMA, definition, version

REPLICAS = ("spec", "replicas")


def test_each_served_version_has_its_own_scale_path() -> None:
    crd = definition(
        version(path=".spec.replicas"),
        version("v1beta1", ".spec.workers.count"),
        version("v1"),
        version("v0", ".spec.old", served=False),
    )
    assert scale_paths(crd) == {"v1alpha1": REPLICAS, "v1beta1": ("spec", "workers", "count")}
    assert list(served_versions(crd)) == ["v1alpha1", "v1beta1", "v1"]
    assert storage_version(crd) == "v1alpha1"


@pytest.mark.parametrize(
    "crd", [None, {}, {"spec": {}}, {"spec": {"versions": [None, {"name": "v1", "served": True}]}}]
)
def test_without_a_scale_subresource_there_is_none(crd: Any) -> None:
    assert scale_paths(crd) == {}


def test_what_is_no_version_is_none() -> None:
    assert versions({"spec": {"versions": "x"}}) == {}
    assert storage_version({}) == ""


def test_versions_share_their_fields_unless_a_webhook_converts_them() -> None:
    assert shares_fields(definition())
    assert shares_fields(definition(conversion={"strategy": "None"}))
    assert not shares_fields(definition(conversion={"strategy": "Webhook"}))


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        (REPLICAS_SCHEMA, True),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {"size": {"type": "integer"}}}, False),
        ({"type": "object", "x-kubernetes-preserve-unknown-fields": True}, True),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, True),
        ({"type": "object", "additionalProperties": True}, True),
        ({"type": "object", "additionalProperties": False}, False),
    ],
)
def test_a_schema_keeps_what_it_knows(spec: dict[str, Any], kept: bool) -> None:
    crd = definition(version(spec=spec))
    assert keeps(crd, "v1alpha1", REPLICAS) is kept
    assert keeps(definition(version(spec=spec), preserveUnknownFields=True), "v1alpha1", REPLICAS)


def test_a_version_without_a_schema_keeps_nothing() -> None:
    assert not keeps(definition(version(schema={})), "v1alpha1", REPLICAS)
    assert not keeps(definition(), "v7", REPLICAS)
