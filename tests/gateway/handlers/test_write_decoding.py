import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery import protobuf
from gateway.apimachinery.errors import BODY_LIMIT, ApiError
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER, CLUSTER_LABEL, decode_write, with_name
from gateway.write_request import DeleteOptions, WriteRequest
from tests.gateway.handlers.write_support import DEPLOYMENTS, PODS, WEB, pod, scope, workload


def decode(method: str, path: str, body: Any = b"", content_type: str = "", **fields: Any) -> WriteRequest:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode_write(scope(method, path, content_type=content_type, **fields), encoded)


def test_a_create_is_sent_on_as_it_came() -> None:
    body = json.dumps(workload(3)).encode()
    request = decode("POST", DEPLOYMENTS, body)
    assert (request.verb, request.name, request.body, request.content_type) == (
        "create",
        "web",
        body,
        "application/json",
    )
    assert request.obj == workload(3)
    assert str(request.key) == "shop/web"
    assert request.patch_type == ""


def test_yaml_is_sent_on_as_it_was_read_and_protobuf_untouched() -> None:
    yaml = b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n"
    request = decode("POST", DEPLOYMENTS, yaml, "application/yaml")
    assert (request.obj or {})["spec"] == {"replicas": 3}
    assert (json.loads(request.body), request.content_type) == (request.obj, "application/json")
    encoded = protobuf.encode(workload(3))
    request = decode("POST", DEPLOYMENTS, encoded, "application/vnd.kubernetes.protobuf")
    assert (request.obj or {})["spec"]["replicas"] == 3
    assert (request.body, request.content_type) == (encoded, "application/vnd.kubernetes.protobuf")


def test_parameters_of_the_content_type_do_not_matter() -> None:
    assert decode("PATCH", WEB, {}, f"{MERGE_PATCH}; charset=utf-8").patch_type == MERGE_PATCH


def test_a_namespace_is_not_in_itself() -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert str(decode("PUT", "/api/v1/namespaces/shop", body).key) == "shop"


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", WEB, workload(3, "api"), "the name of the object (api) does not match the name on the URL (web)"),
        (
            "PUT",
            WEB,
            {"kind": "Deployment", "apiVersion": "apps/v1"},
            "the name of the object (web based on URL) was undeterminable: name must be provided",
        ),
        (
            "PUT",
            WEB,
            {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "other"}},
            "the namespace of the object (other) does not match the namespace on the request (shop)",
        ),
        (
            "POST",
            DEPLOYMENTS,
            {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web", "namespace": "other"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
def test_an_object_that_contradicts_the_url_is_refused(method: str, path: str, body: Any, message: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode(method, path, body)
    assert (refused.value.code, refused.value.message) == (400, message)


NO_MAP = "json: cannot unmarshal {} into Go value of type map[string]interface {{}}"


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "code", "text"),
    [
        ("POST", DEPLOYMENTS, b"", "", 400, "unexpected end of JSON input (<empty>)"),
        ("POST", DEPLOYMENTS, b"{", "", 400, "unexpected end of JSON input"),
        ("POST", DEPLOYMENTS, b'{"a":NaN}', "", 400, "invalid character 'N'"),
        ("POST", DEPLOYMENTS, b'\xef\xbb\xbf{"a":1}', "", 400, "invalid character"),
        ("POST", DEPLOYMENTS, b'{"a":"\xff"}', "", 400, "UTF-8"),
        ("POST", DEPLOYMENTS, b'{"a":1e400}', "", 400, "out of range"),
        ("POST", DEPLOYMENTS, b"[" * 100_000 + b"]" * 100_000, "", 400, "exceeded max depth"),
        ("POST", DEPLOYMENTS, b"{}", "text/plain", 415, "accepted media types include: application/json"),
        ("POST", DEPLOYMENTS, b"k8s\x00\xff\xff", "application/vnd.kubernetes.protobuf", 400, "unrecognized"),
        ("PATCH", WEB, b"{}", "", 415, "415: Unsupported Media Type"),
        ("PATCH", WEB, b"{}", "application/apply-patch+cbor", 415, "415: Unsupported Media Type"),
        ("PATCH", WEB, b"{", MERGE_PATCH, 400, "error decoding patch: unexpected end of JSON input"),
        ("PATCH", WEB, b"[]", MERGE_PATCH, 400, f"error decoding patch: {NO_MAP.format('array')}"),
        ("PATCH", WEB, b"null", MERGE_PATCH, 400, "Invalid JSON Patch"),
        ("PATCH", WEB, b"[]", STRATEGIC_MERGE_PATCH, 400, NO_MAP.format("array")),
        ("PATCH", WEB, b"1", JSON_PATCH, 400, "error decoding patch: json: cannot unmarshal number into Go value"),
        ("PATCH", WEB, b"{}", JSON_PATCH, 400, "cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ("PATCH", WEB, b"a: [", APPLY_PATCH, 400, "error decoding YAML: error converting YAML to JSON: yaml: line 1: "),
        ("PATCH", WEB, b"- a", APPLY_PATCH, 400, f"while decoding JSON: {NO_MAP.format('array')}"),
        ("DELETE", WEB, b"{", "", 400, "(must be of type DeleteOptions)"),
        ("POST", DEPLOYMENTS, b" " * (BODY_LIMIT + 1), "", 413, "Request entity too large: limit is 3145728"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    method: str, path: str, body: bytes, content_type: str, code: int, text: str
) -> None:
    with pytest.raises(ApiError) as refused:
        decode(method, path, body, content_type, query={"fieldManager": "m"})
    assert refused.value.code == code
    assert text in refused.value.message


class TestDuplicateFields:
    """Two servers read `{"spec":{"replicas":0},"spec":{}}` in two ways, so those bytes never leave the gateway."""

    BODY = b'{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web"},"spec":{"replicas":0},"spec":{}}'
    PROBLEM = 'duplicate field "spec"'

    def test_what_was_judged_is_what_is_sent(self) -> None:
        warnings: list[str] = []
        request = decode("PUT", WEB, self.BODY, warnings=warnings)
        assert json.loads(request.body) == request.obj
        assert (request.obj or {})["spec"] == {}
        assert request.body.count(b'"spec"') == 1
        assert warnings == [self.PROBLEM]
        assert request.duplicate_fields == (self.PROBLEM,)

    def test_yaml_becomes_json(self) -> None:
        request = decode("PUT", WEB, b"metadata: {name: web}\nspec: {replicas: 0}\nspec: {}\n", "application/yaml")
        assert request.content_type == "application/json"
        assert json.loads(request.body) == {"metadata": {"name": "web"}, "spec": {}}

    def test_ignored_they_are_not_warned_about(self) -> None:
        warnings: list[str] = []
        request = decode("PUT", WEB, self.BODY, query={"fieldValidation": "Ignore"}, warnings=warnings)
        assert (warnings, request.duplicate_fields) == ([], ())
        assert request.body.count(b'"spec"') == 1

    def test_strictly_they_are_refused(self) -> None:
        with pytest.raises(ApiError) as refused:
            decode("PUT", WEB, self.BODY, query={"fieldValidation": "Strict"})
        assert refused.value.message == (
            'Deployment in version "v1" cannot be handled as a Deployment: '
            'strict decoding error: duplicate field "spec"'
        )

    def test_in_patches_as_well(self) -> None:
        body = b'{"spec":{"replicas":0,"replicas":5}}'
        request = decode("PATCH", WEB, body, MERGE_PATCH)
        assert json.loads(request.body) == request.patch == {"spec": {"replicas": 5}}
        assert request.content_type == MERGE_PATCH
        with pytest.raises(ApiError) as refused:
            decode("PATCH", WEB, body, MERGE_PATCH, query={"fieldValidation": "Strict"})
        assert refused.value.code == 422
        assert 'strict decoding error: duplicate field "spec.replicas"' in refused.value.message

    def test_in_delete_options_as_well(self) -> None:
        request = decode("DELETE", WEB, b'{"dryRun":["All"],"dryRun":[]}')
        assert not request.options.dry_run
        assert json.loads(request.body) == {"dryRun": []}


class TestVirtualMetadata:
    """What only our answers carry never reaches a store."""

    def test_nothing_to_strip_leaves_the_bytes_alone(self) -> None:
        body = b'{ "metadata": {"name": "web", "labels": {"a": "b"}} }'
        assert decode("PUT", WEB, body).body == body

    def test_it_is_taken_off_objects(self) -> None:
        obj = pod("p", annotations={CACHED_FROM_CLUSTER: "m1", "a": "b"}, labels={CLUSTER_LABEL: "m1"})
        request = decode("PUT", f"{PODS}/p", obj)
        assert json.loads(request.body) == request.obj
        assert (request.obj or {})["metadata"] == {"name": "p", "namespace": "shop", "annotations": {"a": "b"}}

    def test_the_cluster_asked_for_is_remembered(self) -> None:
        assert decode("POST", PODS, pod("p", labels={CLUSTER_LABEL: "m1"})).cluster == "m1"
        request = decode("POST", PODS, pod("p", annotations={CLUSTER_LABEL: "m2"}))
        assert request.cluster == "m2"
        assert CLUSTER_LABEL not in request.body.decode()

    def test_it_is_taken_off_patches(self) -> None:
        patch = {"metadata": {"annotations": {CACHED_FROM_CLUSTER: None}, "labels": {"a": "b"}}}
        assert decode("PATCH", WEB, patch, MERGE_PATCH).patch == {"metadata": {"labels": {"a": "b"}}}
        operations = [
            {"op": "remove", "path": "/metadata/annotations/resource.karmada.io~1cached-from-cluster"},
            {"op": "add", "path": "/metadata/labels/a", "value": "b"},
        ]
        request = decode("PATCH", WEB, operations, JSON_PATCH)
        assert request.patch == json.loads(request.body) == [operations[1]]
        assert decode("PATCH", WEB, operations[1:], JSON_PATCH).patch == operations[1:]

    @pytest.mark.parametrize(
        "path",
        ["/metadata/labels/fleetgate.io~1cluster", "/metadata/annotations/resource.karmada.io~1cached-from-cluster"],
    )
    def test_a_test_of_it_has_to_be_met(self, path: str) -> None:
        operations = [
            {"op": "test", "path": path, "value": "m1"},
            {"op": "replace", "path": path, "value": "m2"},
            {"op": "add", "path": "/metadata/labels/a", "value": "b"},
        ]
        request = decode("PATCH", WEB, operations, JSON_PATCH)
        assert request.patch == json.loads(request.body) == [operations[0], operations[2]]

    def test_a_protobuf_body_becomes_json(self) -> None:
        obj = pod("p", labels={CLUSTER_LABEL: "m1"})
        request = decode("POST", PODS, protobuf.encode(obj), "application/vnd.kubernetes.protobuf")
        assert request.content_type == "application/json"
        assert json.loads(request.body) == request.obj

    def test_unless_that_would_lose_fields_we_do_not_know(self, monkeypatch: pytest.MonkeyPatch) -> None:
        obj = pod("p", labels={CLUSTER_LABEL: "m1"})
        known = protobuf.decode(protobuf.encode(obj))
        monkeypatch.setattr(protobuf, "decode", lambda _: type(known)(known.obj, True))
        with pytest.raises(ApiError) as refused:
            decode("POST", PODS, b"k8s\x00", "application/vnd.kubernetes.protobuf")
        assert refused.value.code == 415


def test_a_delete_carries_its_options() -> None:
    request = decode("DELETE", WEB, {"gracePeriodSeconds": 0, "dryRun": ["All"]})
    assert request.delete == DeleteOptions(grace_period_seconds=0)
    assert request.options.dry_run
    assert request.name == "web"


def test_a_collection_has_no_name_even_when_a_field_selector_gives_one() -> None:
    request = decode("DELETE", DEPLOYMENTS, query={"fieldSelector": "metadata.name=web"})
    assert (request.verb, request.name) == ("deletecollection", "")


def test_naming_an_object_writes_it_out_anew() -> None:
    request = decode("POST", PODS, {"kind": "Pod", "apiVersion": "v1", "metadata": {"generateName": "p-"}})
    named = with_name(request, "p-x7k2p")
    assert named.name == "p-x7k2p"
    assert json.loads(named.body)["metadata"] == {"generateName": "p-", "name": "p-x7k2p"}
    assert (request.obj or {})["metadata"] == {"generateName": "p-"}


def code_of(method: str, path: str, body: bytes, content_type: str, query: dict[str, str]) -> int:
    try:
        decode(method, path, body, content_type, query=query)
    except ApiError as error:
        return error.code
    return 0


@given(st.binary(max_size=200), st.sampled_from(["", "application/yaml", "application/vnd.kubernetes.protobuf"]))
def test_no_body_crashes_the_reading_of_an_object(body: bytes, content_type: str) -> None:
    assert code_of("POST", DEPLOYMENTS, body, content_type, {}) in {0, 400, 415}


@given(st.binary(max_size=200), st.sampled_from([MERGE_PATCH, JSON_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH]))
def test_no_body_crashes_the_reading_of_a_patch(body: bytes, content_type: str) -> None:
    assert code_of("PATCH", WEB, body, content_type, {"fieldManager": "m"}) in {0, 400}
