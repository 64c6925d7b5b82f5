"""The whole way of a patch, step by step against what a real kube-apiserver answered."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.json_value import deep_copy
from gateway.apimachinery.patch.managed_fields import track_update
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.patch import (
    APPLY_PATCH,
    BUILTIN_PATCHES,
    CUSTOM_RESOURCE_PATCHES,
    apply_patch,
    undecodable,
)
from gateway.storage.defaulting.cluster_ip import default_service_ip
from gateway.storage.defaulting.defaulting import default_custom_resource, default_object
from tests.gateway.apimachinery.patch.goldens import MEDIA_TYPES, Golden, goldens, managed_fields, scenarios

REGISTRY_FIELDS = ("uid", "resourceVersion", "creationTimestamp", "generation", "namespace")


def with_defaults(golden: Golden, obj: JsonObject) -> JsonObject:
    obj = deep_copy(obj)
    if golden.options.schema.builtin:
        return default_object(golden.gvk, obj)
    return default_custom_resource(obj, scenarios()["schemas"][golden.gvk.kind])


def prepared(golden: Golden, new: JsonObject) -> JsonObject:
    """Stand in for the registry: it keeps what this write cannot change and allocates addresses."""
    old = golden.old
    if golden.subresource == "status" and old:
        metadata = {**old["metadata"], "managedFields": managed_fields(new)}
        new = {**old, "metadata": metadata, "status": new["status"]}
    elif golden.options.schema.status_subresource and old and "status" in old:
        new = {**new, "status": old["status"]}
    if golden.gvk.kind == "Service":
        default_service_ip(new, old, lambda: "10.96.0.9")
    return new


def write(golden: Golden) -> JsonObject:
    """Do what storage does with a write."""
    options = golden.options
    if golden.verb == "apply":
        return prepared(golden, with_defaults(golden, apply_patch(APPLY_PATCH, golden.old, golden.body, options)))
    if golden.verb in MEDIA_TYPES:
        new = with_defaults(golden, apply_patch(MEDIA_TYPES[golden.verb], golden.old, golden.body, options))
    else:
        new = with_defaults(golden, golden.body)
    if golden.subresource == "scale" and golden.old:
        new = {**golden.old, "spec": {**golden.old["spec"], "replicas": new["spec"]["replicas"]}}
    return prepared(golden, track_update(golden.old, new, options))


def comparable(obj: JsonObject) -> JsonObject:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in REGISTRY_FIELDS}
    if obj["kind"] == "Pod":
        # Admission adds tolerations, the registry a status.
        spec = {name: value for name, value in obj["spec"].items() if name != "tolerations"}
        return {**obj, "metadata": metadata, "spec": spec, "status": None}
    return {**obj, "metadata": metadata}


@pytest.mark.parametrize(
    "golden", [golden for golden in goldens() if not golden.refused], ids=lambda golden: golden.name
)
def test_the_object_and_its_managers_become_what_kube_apiserver_made_of_them(golden: Golden) -> None:
    assert comparable(write(golden)) == comparable(golden.answer)


@pytest.mark.parametrize(
    "golden",
    [golden for golden in goldens() if golden.refused and "is invalid:" not in golden.answer["message"]],
    ids=lambda golden: golden.name,
)
def test_refusals_are_those_of_kube_apiserver(golden: Golden) -> None:
    with pytest.raises(ApiError) as refusal:
        write(golden)
    status: dict[str, Any] = {"details": {}, **refusal.value.status}
    assert status == {"details": {}, **golden.answer}


@pytest.mark.parametrize("golden", goldens(), ids=lambda golden: golden.name)
def test_neither_the_old_object_nor_the_patch_changes(golden: Golden) -> None:
    before = deep_copy([golden.old, golden.body])
    with contextlib.suppress(ApiError):
        write(golden)
    assert before == [golden.old, golden.body]


def test_what_strict_decoding_refuses_is_a_422_about_the_patch() -> None:
    error = undecodable(MEDIA_TYPES["json"], [], {"a": 'b"'}, "wrong")
    assert error.code == 422
    assert error.message == r' "" is invalid: patch: Invalid value: "{\"a\":\"b\\\"\"}": wrong'
    assert [cause["field"] for cause in error.details["causes"]] == ["patch"]
    strategic = undecodable(MEDIA_TYPES["strategic"], {"spec": {"a": [1]}}, {}, "wrong")
    assert strategic.message == ' "" is invalid: patch: Invalid value: "map[spec:map[a:[1]]]": wrong'


def options_of(name: str) -> PatchOptions:
    return next(golden.options for golden in goldens() if golden.name.startswith(name))


@pytest.mark.parametrize(
    ("media_type", "options", "accepted"),
    [
        ("application/json", options_of("json patch"), BUILTIN_PATCHES),
        (MEDIA_TYPES["strategic"], options_of("custom resources"), CUSTOM_RESOURCE_PATCHES),
    ],
)
def test_other_media_types_are_refused(media_type: str, options: PatchOptions, accepted: tuple[str, ...]) -> None:
    with pytest.raises(ApiError) as refusal:
        apply_patch(media_type, {}, {}, options)
    assert refusal.value.code == 415
    assert refusal.value.message.endswith(f"accepted media types include: {', '.join(accepted)}")


def test_a_patch_that_makes_a_list_of_the_object_is_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        apply_patch(MEDIA_TYPES["json"], {}, [{"op": "replace", "path": "", "value": [1]}], options_of("json patch"))
    assert refusal.value.code == 422
    assert "cannot unmarshal array" in refusal.value.message


def test_patches_that_are_nested_too_deeply_are_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for verb, patch in (
        ("merge", deep),
        ("strategic", deep),
        ("apply", {**deep, "apiVersion": "apps/v1", "kind": "Deployment"}),
    ):
        with pytest.raises(ApiError) as refusal:
            apply_patch(MEDIA_TYPES[verb], {}, patch, options_of("json patch"))
        assert refusal.value.code in {422, 500}
