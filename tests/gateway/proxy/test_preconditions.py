import json
from typing import Any

import pytest

from gateway.apimachinery import errors
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import MEDIA_TYPE, decode_object, encode
from gateway.apimachinery.protobuf_decode import type_and_message
from gateway.apimachinery.protobuf_wire import LENGTH, length_delimited, tag
from gateway.apimachinery.schema import GroupResource
from gateway.proxy.preconditions import Guarded, guard, lost
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import DeleteOptions, Precondition, WriteOptions, WriteRequest

ALICE = UserInfo("alice")
BOTH = Precondition("uid-1", "77")
METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}}


def write(verb: str, body: bytes = b"", content_type: str = "application/json", **fields: Any) -> WriteRequest:
    path = fields.pop("path", "/apis/apps/v1/namespaces/shop/deployments/web")
    info = parse_request_info(METHODS[verb], path, {})
    scope = RequestScope(info, ALICE, ALICE, "a")
    return WriteRequest(scope, verb, "web", body, content_type, **fields)


def write_json(verb: str, document: Any, content_type: str = "application/json", **fields: Any) -> WriteRequest:
    field = "patch" if verb == "patch" else "obj"
    body = json.dumps(document).encode()
    known = {} if verb == "delete" else {field: document}
    return write(verb, body, content_type, **known, **fields)


def sent(guarded: Guarded) -> Any:
    return json.loads(guarded.body)


# -- what is left alone


@pytest.mark.parametrize("verb", ["update", "patch", "delete", "create"])
def test_without_a_precondition_the_bytes_are_the_clients(verb: str) -> None:
    request = write(verb, b"any bytes", "x/y", obj=DEPLOYMENT)
    assert guard(request, None) == Guarded(b"any bytes", "x/y")
    assert guard(request, Precondition("", "")) == Guarded(b"any bytes", "x/y")


def test_a_create_meets_no_object() -> None:
    assert guard(write_json("create", DEPLOYMENT), BOTH).ours == frozenset()


# -- update


def test_an_update_without_a_version_gets_the_judged_one() -> None:
    guarded = guard(write_json("update", DEPLOYMENT), BOTH)
    assert sent(guarded) == {**DEPLOYMENT, "metadata": {"name": "web", "resourceVersion": "77"}}
    assert guarded.ours == {"resourceVersion"}


def test_an_update_with_a_version_is_the_clients_own_lock() -> None:
    document = {**DEPLOYMENT, "metadata": {"name": "web", "resourceVersion": "5"}}
    request = write_json("update", document)
    assert guard(request, BOTH) == Guarded(request.body, request.content_type)


def test_an_update_in_yaml_is_sent_as_json() -> None:
    guarded = guard(write("update", b"kind: Deployment", "application/yaml", obj=DEPLOYMENT), BOTH)
    assert guarded.content_type == "application/json"
    assert sent(guarded)["metadata"]["resourceVersion"] == "77"


def test_a_scale_is_locked_by_its_metadata() -> None:
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 1}}
    path = "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    guarded = guard(write_json("update", scale, path=path), BOTH)
    assert sent(guarded)["metadata"] == {"resourceVersion": "77"}


# -- patches


@pytest.mark.parametrize("kind", ["merge-patch+json", "strategic-merge-patch+json"])
def test_a_patch_gets_the_judged_version(kind: str) -> None:
    guarded = guard(write_json("patch", {"spec": {"replicas": 1}}, f"application/{kind}"), BOTH)
    assert sent(guarded) == {"spec": {"replicas": 1}, "metadata": {"resourceVersion": "77"}}
    assert guarded.content_type == f"application/{kind}"


def test_an_apply_gets_the_uid_too_so_that_it_never_creates() -> None:
    request = write("patch", b"kind: Deployment", "application/apply-patch+yaml", patch=DEPLOYMENT)
    guarded = guard(request, BOTH)
    assert sent(guarded)["metadata"] == {"name": "web", "uid": "uid-1", "resourceVersion": "77"}
    assert guarded.ours == {"uid", "resourceVersion"}


def test_a_patch_with_a_version_is_the_clients_own_lock() -> None:
    request = write_json("patch", {"metadata": {"resourceVersion": "5"}}, "application/merge-patch+json")
    assert guard(request, BOTH) == Guarded(request.body, request.content_type)


def test_with_a_uid_alone_the_uid_is_the_lock() -> None:
    guarded = guard(write_json("patch", {"spec": {}}, "application/merge-patch+json"), Precondition("uid-1", ""))
    assert sent(guarded)["metadata"] == {"uid": "uid-1"}
    assert guarded.ours == {"uid"}


def test_a_uid_that_the_client_names_is_its_own() -> None:
    document = {**DEPLOYMENT, "metadata": {"name": "web", "uid": "theirs"}}
    for request in (write_json("update", document), write_json("patch", document, "application/merge-patch+json")):
        guarded = guard(request, Precondition("uid-1", ""))
        assert sent(guarded)["metadata"]["uid"] == "theirs"
        assert not guarded.ours


def test_a_json_patch_gets_one_more_operation() -> None:
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 1}]
    guarded = guard(write_json("patch", operations, "application/json-patch+json"), BOTH)
    assert sent(guarded) == [*operations, {"op": "add", "path": "/metadata/resourceVersion", "value": "77"}]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "5"},
        {"op": "add", "path": "/metadata", "value": {"resourceVersion": "5"}},
        {"op": "replace", "path": "", "value": {"metadata": {"resourceVersion": "5"}}},
        {"op": "copy", "path": "/metadata/resourceVersion", "from": "/metadata/name"},
    ],
)
def test_a_json_patch_that_sets_a_version_is_the_clients_own_lock(operation: JsonObject) -> None:
    request = write_json("patch", [operation], "application/json-patch+json")
    assert guard(request, BOTH) == Guarded(request.body, request.content_type)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "5"},
        {"op": "remove", "path": "/metadata/resourceVersion"},
        {"op": "replace", "path": "/metadata", "value": {"name": "web"}},
        {"op": "replace", "path": "", "value": {"metadata": {}}},
        "no operation",
    ],
)
def test_other_operations_around_the_version_do_not_lock(operation: Any) -> None:
    guarded = guard(write_json("patch", [operation], "application/json-patch+json"), BOTH)
    assert sent(guarded)[-1] == {"op": "add", "path": "/metadata/resourceVersion", "value": "77"}


# -- delete


def test_an_empty_delete_gets_a_body_with_the_options_of_the_query() -> None:
    options = DeleteOptions(grace_period_seconds=0, propagation_policy="Foreground", orphan_dependents=False)
    guarded = guard(write("delete", b"", "", delete=options, options=WriteOptions(dry_run=True)), BOTH)
    assert sent(guarded) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "orphanDependents": False,
        "dryRun": ["All"],
        "preconditions": {"uid": "uid-1", "resourceVersion": "77"},
    }
    assert guarded.content_type == "application/json"


def test_a_delete_keeps_what_its_body_says() -> None:
    guarded = guard(write_json("delete", {"propagationPolicy": "Background", "newer": 1}), BOTH)
    assert sent(guarded) == {
        "propagationPolicy": "Background",
        "newer": 1,
        "preconditions": {"uid": "uid-1", "resourceVersion": "77"},
    }


def test_the_clients_preconditions_stay_and_are_not_ours() -> None:
    body = {"preconditions": {"uid": "theirs"}}
    guarded = guard(write_json("delete", body, delete=DeleteOptions(precondition_uid="theirs")), BOTH)
    assert sent(guarded)["preconditions"] == {"uid": "theirs", "resourceVersion": "77"}
    assert guarded.ours == {"resourceVersion"}


def test_a_translated_version_wins_over_the_one_in_the_body() -> None:
    body = {"preconditions": {"resourceVersion": "9000"}}
    options = DeleteOptions(precondition_resource_version="5")
    guarded = guard(write_json("delete", body, delete=options), Precondition("uid-1", ""))
    assert sent(guarded)["preconditions"] == {"uid": "uid-1", "resourceVersion": "5"}
    assert guarded.ours == {"uid"}


# -- eviction


def test_an_eviction_hits_the_judged_pod_only() -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "deleteOptions": {"gracePeriodSeconds": 5}}
    path = "/api/v1/namespaces/shop/pods/web/eviction"
    guarded = guard(write_json("create", eviction, path=path), Precondition("uid-1", ""))
    assert sent(guarded)["deleteOptions"] == {"gracePeriodSeconds": 5, "preconditions": {"uid": "uid-1"}}
    assert guarded.ours == {"uid"}


# -- protobuf


def test_a_protobuf_update_keeps_its_bytes_and_gets_the_version_behind_them() -> None:
    body = encode(DEPLOYMENT)
    guarded = guard(write("update", body, MEDIA_TYPE, obj=DEPLOYMENT), BOTH)
    assert guarded.content_type == MEDIA_TYPE
    decoded = decode_object(guarded.body)
    assert decoded["metadata"]["resourceVersion"] == "77"
    assert decoded["metadata"]["name"] == "web"
    assert decoded["spec"]["replicas"] == 3
    before, after = decode_object(body), decoded
    del after["metadata"]["resourceVersion"]
    assert after == before


def test_unknown_fields_of_a_newer_client_survive() -> None:
    body = encode(DEPLOYMENT)
    unknown = b"\xfa\x3f\x05later"  # field 1023, which no message has
    _, _, message = type_and_message(body)
    head = length_delimited(b"\x0a", b"\x0a\x07apps/v1\x12\x0aDeployment")
    newer = b"k8s\x00" + head + length_delimited(tag(2, LENGTH), message + unknown) + b"\x1a\x00\x22\x00"
    guarded = guard(write("update", newer, MEDIA_TYPE, obj=DEPLOYMENT), BOTH)
    assert unknown in guarded.body
    assert decode_object(guarded.body)["metadata"]["resourceVersion"] == "77"


def test_protobuf_delete_options() -> None:
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 3, "preconditions": {"uid": "theirs"}}
    request = write("delete", encode(options), MEDIA_TYPE, delete=DeleteOptions(3, precondition_uid="theirs"))
    guarded = guard(request, BOTH)
    decoded = decode_object(guarded.body)
    assert decoded["gracePeriodSeconds"] == 3
    assert decoded["preconditions"] == {"uid": "theirs", "resourceVersion": "77"}
    assert guarded.ours == {"resourceVersion"}


def test_a_protobuf_eviction() -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
    path = "/api/v1/namespaces/shop/pods/web/eviction"
    guarded = guard(write("create", encode(eviction), MEDIA_TYPE, obj=eviction, path=path), Precondition("uid-1", ""))
    assert decode_object(guarded.body)["deleteOptions"]["preconditions"] == {"uid": "uid-1"}


# -- whose conflict it is

RESOURCE = GroupResource("apps", "deployments")
MODIFIED = errors.conflict(RESOURCE, "web")


def precondition_failed(field: str) -> ApiError:
    text = f"Precondition failed: {field} in precondition: a, {field} in object meta: b"
    return errors.conflict(RESOURCE, "web", text)


def does_not_match(field: str) -> ApiError:
    text = f"the {field} in the precondition (a) does not match the {field} in record (b). The object might have been …"
    return errors.conflict(GroupResource("apps", "Deployment"), "web", text)


def immutable(field: str) -> ApiError:
    cause = errors.field_error("FieldValueInvalid", field, "Invalid value: a: field is immutable")
    return errors.invalid("apps", "Deployment", "web", [cause])


@pytest.mark.parametrize(
    ("error", "ours", "expected"),
    [
        (MODIFIED, {"resourceVersion"}, True),
        (MODIFIED, {"uid", "resourceVersion"}, True),
        (MODIFIED, set(), False),
        (MODIFIED, {"uid"}, False),
        (precondition_failed("UID"), {"uid"}, True),
        (precondition_failed("UID"), {"resourceVersion"}, False),
        (precondition_failed("ResourceVersion"), {"resourceVersion"}, True),
        (precondition_failed("ResourceVersion"), {"uid"}, False),
        (does_not_match("UID"), {"uid"}, True),
        (does_not_match("UID"), {"resourceVersion"}, False),
        (does_not_match("ResourceVersion"), {"resourceVersion"}, True),
        (does_not_match("ResourceVersion"), {"uid"}, False),
        (errors.conflict(RESOURCE, "web", "uid mismatch: the provided object specified uid a"), {"uid"}, True),
        (errors.apply_conflict("Apply failed with 1 conflict: …", []), {"uid", "resourceVersion"}, False),
        (errors.conflict(GroupResource("", "resourcequotas"), "q"), {"resourceVersion"}, False),
        (errors.already_exists(RESOURCE, "web"), {"uid", "resourceVersion"}, False),
        (immutable("metadata.uid"), {"uid"}, True),
        (immutable("metadata.uid"), {"resourceVersion"}, False),
        (immutable("spec.selector"), {"uid"}, False),
        (errors.not_found(RESOURCE, "web"), {"uid", "resourceVersion"}, False),
    ],
)
def test_only_our_own_precondition_counts_as_lost(error: ApiError, ours: set[str], expected: bool) -> None:
    assert lost(error, Guarded(b"", "", frozenset(ours)), "deployments") is expected
