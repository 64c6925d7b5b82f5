from typing import Any

import pytest

from admission.replica_fields import ReplicaField, fields_dropped, replica_fields, runs
from admission.replicas import SPEC_REPLICAS, ReplicasUnreadable
from gateway.apimachinery.meta import JsonObject
from tests.admission.support import CLONE_SETS, CONFIG_MAPS, DEPLOYMENTS, REPLICAS_SCHEMA, definition, version

SIZE = ("spec", "size")
TWO = definition(version(path=".spec.size"), version("v1beta1", ".spec.replicas"))


def test_a_built_in_workload_has_one_count_and_a_default() -> None:
    (field,) = replica_fields(DEPLOYMENTS, None, {})
    assert (field.path, field.count({})) == (SPEC_REPLICAS, 1)
    assert str(field) == ".spec.replicas"


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({"size": 3}, [(SIZE, True)]),
        ({}, [(SIZE, True)]),
        ({"size": 3, "replicas": 2}, [(SIZE, True), (SPEC_REPLICAS, False)]),
        ({"replicas": {"min": 2}}, [(SIZE, True)]),
    ],
)
def test_the_own_count_comes_first_and_others_where_a_number_stands(spec: JsonObject, fields: Any) -> None:
    found = replica_fields(CLONE_SETS, TWO, {"spec": spec})
    assert [(field.path, field.own) for field in found] == fields


def test_without_a_definition_the_usual_place_is_looked_at() -> None:
    assert replica_fields(CLONE_SETS, None, {"spec": {"replicas": 2}}) == (ReplicaField(SPEC_REPLICAS, own=False),)
    assert replica_fields(CONFIG_MAPS, None, {"data": {}}) == ()


def test_a_version_drops_the_counts_that_its_schema_does_not_know() -> None:
    crd = definition(version(path=".spec.replicas", spec=REPLICAS_SCHEMA), version("v1beta1", ".spec.size"))
    assert {name: str(field) for name, field in fields_dropped(CLONE_SETS, crd).items()} == {"v1beta1": ".spec.size"}
    assert fields_dropped(CLONE_SETS, None) == {}
    assert fields_dropped(CLONE_SETS, TWO) == {}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({"size": 0}, False), ({"size": 0, "replicas": 1}, True), ({"size": "x"}, True), ({}, True)],
)
def test_what_runs(spec: JsonObject, expected: bool) -> None:
    obj = {"spec": spec}
    assert runs(obj, replica_fields(CLONE_SETS, TWO, obj)) is expected


def test_a_count_that_is_no_number_is_unreadable() -> None:
    with pytest.raises(ReplicasUnreadable):
        ReplicaField(SIZE, own=True).count({"spec": {"size": "x"}})
