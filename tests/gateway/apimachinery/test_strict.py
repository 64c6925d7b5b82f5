"""Unknown fields and wrong types, compared with what Kubernetes' strict decoder said of the same bodies."""

import re

import pytest

from gateway.apimachinery import codec
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.apimachinery.strict import FieldCheck, check_fields, validate_fields
from tests.gateway.apimachinery.goldens import KINDS, SAMPLES, load

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
NOT_ABOUT_FIELDS = ("couldn't get version/kind", "Object '", "no kind", "unexpected GroupVersion")
# Where we are stricter than Go on purpose: bytes as a list of numbers, numbers that no reader can hold, and duplicates
# inside raw JSON or below an unknown field, which a second reader could resolve differently.
STRICTER = ('"data":{"a":[97]}', "1e400", '"kind":"ControllerRevision","data":{"a":1,"a":2}', '"x":{"y":1,"y":2}',
            '"default":{"a":1,"a":2}')  # fmt: skip
VERDICTS = [
    entry
    for entry in load("strict.jsonl.xz")
    if not entry["error"].startswith(NOT_ABOUT_FIELDS) and not any(text in entry["body"] for text in STRICTER)
]


def _gvk(obj) -> GroupVersionKind:
    return GroupVersion.parse(obj["apiVersion"]).kind(obj["kind"])


def _numbers_alike(text: str) -> str:
    """Go shows a number as it was written, we as it was read (1e2, 100.0)."""
    return re.sub(r"number \S+ into", "number N into", text)


@pytest.mark.parametrize("entry", VERDICTS, ids=lambda entry: entry["body"][:100])
def test_says_what_kubernetes_says(entry):
    data = entry["body"].encode()
    obj = codec.decode_json(data)
    check = check_fields(obj, _gvk(obj))
    assert _numbers_alike(check.type_error) == _numbers_alike(entry["error"])
    if not entry["error"]:
        unknown = [f"unknown field {quote(path)}" for path in check.unknown_fields]
        assert [*codec.strict_errors(data), *unknown] == entry["strict"]


@pytest.mark.parametrize("body", ['{"apiVersion":"v1","kind":"Secret","data":{"a":[97]}}'])
def test_stricter_than_kubernetes(body):
    obj = codec.decode_json(body.encode())
    assert check_fields(obj, _gvk(obj)).type_error


def test_has_nothing_to_say_of_what_kubernetes_wrote():
    found = {golden.case: check_fields(golden.json, _gvk(golden.json)) for golden in [*KINDS, *SAMPLES]}
    assert {case: check for case, check in found.items() if check != FieldCheck()} == {}


def test_custom_resources_pass():
    assert (
        check_fields({"spec": {"anything": 1}}, GroupVersionKind("apps.kruise.io", "v1alpha1", "CloneSet"))
        == FieldCheck()
    )


def test_unknown_fields():
    assert check_fields({"spec": {"foo": 1}, "bar": 2}, DEPLOYMENT).unknown_fields == ("spec.foo", "bar")


def test_no_more_unknown_fields_than_go_reports():
    assert len(check_fields({f"f{n}": 1 for n in range(200)}, DEPLOYMENT).unknown_fields) == 100


OBJ = {"spec": {"replicas": 1, "replica": 2}}
DUPLICATE = ('duplicate field "spec.replicas"',)


def test_warn_is_the_default():
    warnings = ['duplicate field "spec.replicas"', 'unknown field "spec.replica"']
    assert validate_fields(OBJ, DEPLOYMENT, "Warn", strict_errors=DUPLICATE) == warnings
    assert validate_fields(OBJ, DEPLOYMENT, "", strict_errors=DUPLICATE) == warnings


def test_ignore():
    assert validate_fields(OBJ, DEPLOYMENT, "Ignore", strict_errors=DUPLICATE) == []


def test_strict():
    with pytest.raises(ApiError) as refusal:
        validate_fields(OBJ, DEPLOYMENT, "Strict", strict_errors=DUPLICATE)
    assert (refusal.value.code, refusal.value.message) == (
        400,
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'duplicate field "spec.replicas", unknown field "spec.replica"',
    )
    assert validate_fields({"spec": {"replicas": 1}}, DEPLOYMENT, "Strict") == []


@pytest.mark.parametrize("directive", ["Ignore", "Warn", "Strict"])
def test_wrong_types_are_always_refused(directive):
    with pytest.raises(ApiError) as refusal:
        validate_fields({"spec": {"replicas": "3"}}, DEPLOYMENT, directive, expected_kind="Scale")
    assert refusal.value.message == (
        'Deployment in version "v1" cannot be handled as a Scale: '
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    )


def test_paths_below_long_names_are_not_spelled_out_for_each_struct():
    """Each of these structs has a path of a megabyte; only what is reported may cost that, and only in part."""
    schema = {"allOf": [{"not": {"nope": 1}}] * 30_000}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"versions": [{"schema": {"openAPIV3Schema": {"properties": {"k" * 1_000_000: schema}}}}]},
    }
    gvk = GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
    found = check_fields(crd, gvk).unknown_fields
    assert found == (("spec.versions[0].schema.openAPIV3Schema.properties." + "k" * 1000)[:1000] + "...",)
