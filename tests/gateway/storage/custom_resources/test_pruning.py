import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.storage.custom_resources.pruning import prune_builtin, prune_custom_resource
from tests.gateway.storage.builders import deployment

TEXT = {"type": "string"}
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def typed(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "value", "kept", "unknown"),
    [
        (typed(a=TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["spec.b"]),
        (typed(a=typed(b=TEXT)), {"a": {"b": "x", "c": {"d": 1}}}, {"a": {"b": "x"}}, ["spec.a.c"]),
        (FREE, {"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 1}]}}, []),
        (
            {**FREE, "properties": {"a": typed(b=TEXT)}},
            {"a": {"c": 1}, "d": {"e": 1}},
            {"a": {}, "d": {"e": 1}},
            ["spec.a.c"],
        ),
        (
            {"type": "object", "additionalProperties": typed(a=TEXT)},
            {"k": {"a": "x", "b": 1}},
            {"k": {"a": "x"}},
            ["spec.k.b"],
        ),
        ({"type": "object", "additionalProperties": True}, {"k": 1, "l": {"m": 1}}, {"k": 1, "l": {}}, ["spec.l.m"]),
        (
            typed(l={"type": "array", "items": typed(a=TEXT)}),
            {"l": [{"a": "x"}, {"b": 1}]},
            {"l": [{"a": "x"}, {}]},
            ["spec.l[1].b"],
        ),
        (typed(p={"x-kubernetes-int-or-string": True}), {"p": 80}, {"p": 80}, []),
        (
            typed(t={**typed(spec=typed(a=TEXT)), "x-kubernetes-embedded-resource": True}),
            {"t": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "spec": {"b": 1}, "x": 1}},
            {"t": {"kind": "K", "apiVersion": "v1", "metadata": {"name": "n"}, "spec": {}}},
            ["spec.t.spec.b", "spec.t.x"],
        ),
    ],
)
def test_what_a_schema_does_not_know_is_removed(
    schema: JsonObject, value: JsonObject, kept: JsonObject, unknown: list[str]
) -> None:
    obj = {"kind": "W", "apiVersion": "x.io/v1", "metadata": {"name": "w"}, "spec": value}
    assert prune_custom_resource(obj, typed(spec=schema)) == unknown
    assert obj["spec"] == kept


def test_kind_version_and_metadata_are_known_without_being_named() -> None:
    obj = {"kind": "W", "apiVersion": "x.io/v1", "metadata": {"name": "w", "labels": {"a": "b"}, "odd": 1}, "extra": 1}
    assert prune_custom_resource(obj, typed()) == ["extra", "metadata.odd"]
    assert obj == {"kind": "W", "apiVersion": "x.io/v1", "metadata": {"name": "w", "labels": {"a": "b"}}}


def test_built_in_kinds_are_pruned_by_their_own_schemas() -> None:
    obj = deployment()
    wanted = deployment()
    obj["spec"]["replica"] = 1
    obj["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    obj["metadata"]["annotations"] = wanted["metadata"]["annotations"] = {"any.thing/at": "all"}
    prune_builtin(obj, GroupVersionKind("apps", "v1", "Deployment"))
    assert obj == wanted


def test_free_form_fields_of_built_in_kinds_are_kept() -> None:
    obj = {"kind": "ControllerRevision", "metadata": {"name": "r"}, "data": {"any": {"thing": 1}}, "revision": 1}
    prune_builtin(obj, GroupVersionKind("apps", "v1", "ControllerRevision"))
    assert obj["data"] == {"any": {"thing": 1}}


def test_kinds_without_a_schema_stay_as_they_are() -> None:
    obj = {"anything": 1}
    prune_builtin(obj, GroupVersionKind("x.io", "v1", "Widget"))
    assert obj == {"anything": 1}
