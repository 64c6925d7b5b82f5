"""How schemas say that objects merge."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.patch.field_set import FieldSet
from gateway.apimachinery.patch.typed_schema import (
    ABSENT,
    DEDUCED,
    UNTYPED,
    Atom,
    ListType,
    MapType,
    TypeRef,
    TypeSchema,
    builtin_type,
    custom_type,
)
from gateway.apimachinery.schema import GroupVersionKind

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
WIDGET = GroupVersionKind("example.com", "v1", "Widget")


def builtin(gvk: GroupVersionKind) -> TypeSchema:
    found = builtin_type(gvk)
    assert found is not None
    return found


def at(ref: TypeRef, *path: str) -> TypeRef:
    """Walk down fields; "[]" is the item of a list."""
    for step in path:
        if step == "[]":
            assert ref.atom.list_type
            ref = ref.atom.list_type.item
        else:
            assert ref.atom.map_type
            member = ref.atom.map_type.member(step)
            assert member is not None, step
            ref = member
    return ref


def list_at(ref: TypeRef, *path: str) -> ListType:
    found = at(ref, *path).atom.list_type
    assert found is not None
    return found


def map_at(ref: TypeRef, *path: str) -> MapType:
    found = at(ref, *path).atom.map_type
    assert found is not None
    return found


def custom(properties: Any, **more: Any) -> TypeRef:
    return custom_type(WIDGET, {"type": "object", "properties": properties, **more}).root


def test_lists_of_built_in_kinds() -> None:
    root = builtin(DEPLOYMENT).root
    containers = list_at(root, "spec", "template", "spec", "containers")
    assert (containers.atomic, containers.keys) == (False, ("name",))
    ports = list_at(root, "spec", "template", "spec", "containers", "[]", "ports")
    assert ports.keys == ("containerPort", "protocol")
    assert map_at(root, "spec", "template", "spec", "containers", "[]", "ports", "[]").defaults == {
        "protocol": "TCP",
        "containerPort": 0,
    }
    finalizers = list_at(root, "metadata", "finalizers")
    assert (finalizers.atomic, finalizers.keys) == (False, ())
    assert list_at(root, "spec", "template", "spec", "tolerations").atomic


def test_maps_of_built_in_kinds() -> None:
    root = builtin(DEPLOYMENT).root
    assert map_at(root, "spec", "selector").atomic
    assert not map_at(root, "metadata", "labels").atomic
    assert map_at(root, "spec").member("replica") is None
    limits = at(root, "spec", "template", "spec", "containers", "[]", "resources", "limits", "cpu")
    assert limits.atom == Atom("untyped")
    assert at(root, "spec", "replicas").atom == Atom("numeric")
    assert at(root, "spec", "paused").atom == Atom("boolean")
    assert at(root, "spec", "strategy", "type").atom == Atom("string")
    assert at(root, "metadata", "creationTimestamp").atom == Atom("untyped")
    revision = builtin(GroupVersionKind("apps", "v1", "ControllerRevision")).root
    assert at(revision, "data") is UNTYPED


def test_definitions_are_understood_once() -> None:
    pod = builtin(GroupVersionKind("", "v1", "Pod")).root
    deployment = builtin(DEPLOYMENT).root
    assert at(pod, "spec") is at(deployment, "spec", "template", "spec")


def test_kinds_that_are_not_built_in_have_no_type() -> None:
    assert builtin_type(WIDGET) is None


def test_custom_resources_have_the_metadata_of_all_objects() -> None:
    root = custom({"spec": {"type": "object", "properties": {"a": {"type": "string"}}}})
    assert at(root, "kind").atom == Atom("string")
    assert list_at(root, "metadata", "finalizers").keys == ()
    assert map_at(root, "spec").member("other") is None


def test_structural_schemas() -> None:
    root = custom(
        {
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "atomic": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
            "bare": {"type": "array"},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic"},
            "open": {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True},
            "any": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
            "none": {"type": "object", "additionalProperties": False},
            "either": {"x-kubernetes-int-or-string": True, "oneOf": [{"type": "integer"}, {"type": "string"}]},
            "embedded": {"type": "object", "x-kubernetes-embedded-resource": True},
        }
    )
    assert not list_at(root, "set").atomic
    assert list_at(root, "atomic").atomic
    assert list_at(root, "bare").item is UNTYPED
    assert map_at(root, "whole").atomic
    assert at(root, "open", "unknown") is DEDUCED
    assert at(root, "any", "unknown") is DEDUCED
    assert map_at(root, "none").element is None
    assert at(root, "either").atom.scalar == "untyped"
    assert list_at(root, "embedded", "metadata", "finalizers").keys == ()


def test_without_a_schema_types_are_deduced() -> None:
    root = custom_type(WIDGET, None).root
    assert root is DEDUCED
    assert map_at(root, "anything").element is DEDUCED
    assert list_at(root, "anything").atomic


def test_a_value_narrows_what_it_may_be() -> None:
    anything = DEDUCED.atom
    assert anything.deduced({}) == Atom(map_type=anything.map_type)
    assert anything.deduced([]) == Atom(list_type=anything.list_type)
    assert anything.deduced(1) == Atom("untyped")
    for value in (None, ABSENT):
        assert anything.deduced(value) is anything
    text = Atom("string")
    misfits: list[Any] = [{}, []]
    for misfit in misfits:
        assert text.deduced(misfit) is text
    assert Atom(map_type=anything.map_type).deduced(1).scalar == ""
    assert repr(ABSENT) == "ABSENT"


def test_nobody_owns_what_a_write_cannot_set() -> None:
    def reset(schema: TypeSchema, subresource: str) -> FieldSet:
        return schema.reset_fields(subresource)

    status, spec = FieldSet.of([("f:status",)]), FieldSet.of([("f:spec",)])
    assert reset(builtin(DEPLOYMENT), "") == reset(builtin(DEPLOYMENT), "scale") == status
    assert ("f:metadata", "f:labels") in reset(builtin(DEPLOYMENT), "status")
    assert reset(builtin(GroupVersionKind("apps", "v1", "ReplicaSet")), "status") == spec
    assert ("f:metadata",) in reset(custom_type(WIDGET, None), "status")
    assert not reset(custom_type(WIDGET, None, status_subresource=False), "")
