import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.intake import copy_json, read_body, read_patched
from gateway.storage.write_context import WriteContext
from tests.gateway.storage.builders import MERGE, context, deployment, widget
from tests.gateway.storage.test_definitions import find
from tests.gateway.storage.test_scale import widgets

DEPLOYMENTS = find("apps/v1", "deployments")
CONFIG_MAPS = find("v1", "configmaps")


def refused(definition: ResourceDefinition, body: JsonObject, given: WriteContext) -> tuple[int, str]:
    with pytest.raises(ApiError) as refusal:
        read_body(definition, body, given)
    return refusal.value.code, refusal.value.message


def misspelled() -> JsonObject:
    body = deployment()
    body["spec"]["replica"] = 2
    body["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    return body


def test_a_body_is_copied_completed_and_defaulted() -> None:
    body = deployment()
    del body["kind"], body["apiVersion"]
    before = copy_json(body)
    obj = read_body(DEPLOYMENTS, body, context())
    assert (obj["kind"], obj["apiVersion"]) == ("Deployment", "apps/v1")
    assert obj["spec"]["progressDeadlineSeconds"] == 600
    assert body == before


def test_unknown_and_duplicate_fields_are_dropped_with_a_warning() -> None:
    warnings: list[str] = []
    obj = read_body(
        DEPLOYMENTS, misspelled(), context(warnings=warnings, duplicates=('duplicate field "spec.replicas"',))
    )
    assert "replica" not in obj["spec"]
    assert "imagee" not in obj["spec"]["template"]["spec"]["containers"][0]
    assert warnings == [
        'duplicate field "spec.replicas"',
        'unknown field "spec.template.spec.containers[0].imagee"',
        'unknown field "spec.replica"',
    ]


def test_nothing_is_said_when_the_client_wants_to_hear_nothing() -> None:
    warnings: list[str] = []
    obj = read_body(DEPLOYMENTS, misspelled(), context(validation="Ignore", warnings=warnings))
    assert "replica" not in obj["spec"]
    assert warnings == []


def test_strict_validation_refuses_them() -> None:
    assert refused(
        DEPLOYMENTS, misspelled(), context(validation="Strict", duplicates=('duplicate field "spec.x"',))
    ) == (
        400,
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: duplicate field '
        '"spec.x", unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.replica"',
    )


def test_a_value_of_the_wrong_type_is_refused_however_lenient_the_client() -> None:
    body = deployment()
    body["spec"]["replicas"] = "many"
    code, message = refused(DEPLOYMENTS, body, context(validation="Ignore"))
    assert code == 400
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32" in message


def test_null_fields_are_absent_ones() -> None:
    body = deployment(creationTimestamp=None, labels=None)
    body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    obj = read_body(DEPLOYMENTS, body, context())
    assert obj["metadata"] == {"name": "d"}
    assert "creationTimestamp" not in obj["spec"]["template"]["metadata"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"kind": "Secret", "apiVersion": "v1"},
            400,
            'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
            "unknown conversion",
        ),
        (
            {"kind": "ConfigMap", "apiVersion": "v2"},
            400,
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
            '"v2" in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
        (
            {"kind": "Deployment", "apiVersion": "apps/v1beta1"},
            400,
            'Deployment in version "v1beta1" cannot be handled as a ConfigMap: converting (v1beta1.Deployment) to '
            "(core.ConfigMap): unknown conversion",
        ),
    ],
)
def test_another_kind_is_refused(body: JsonObject, code: int, message: str) -> None:
    assert refused(CONFIG_MAPS, body, context()) == (code, message)


def test_another_version_of_the_kind_is_refused() -> None:
    body = {"kind": "Deployment", "apiVersion": "apps/v1beta1"}
    text = "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
    assert refused(DEPLOYMENTS, body, context()) == (400, text)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"metadata": {"name": "w"}},
            400,
            'Object \'Kind\' is missing in \'{"metadata":{"name":"w"}}\'',
        ),
        (
            {**widget(), "kind": "Foo"},
            422,
            'Foo.x.io "w" is invalid: kind: Invalid value: "Foo": must be Widget',
        ),
        (
            widget(api_version="x.io/v2"),
            400,
            "the API version in the data (x.io/v2) does not match the expected API version (x.io/v1)",
        ),
    ],
)
def test_custom_resources_must_say_what_they_are(body: JsonObject, code: int, message: str) -> None:
    assert refused(widgets(), body, context()) == (code, message)


def test_custom_resources_are_pruned_and_defaulted_by_their_schema() -> None:
    warnings: list[str] = []
    body = widget(replicas=1, junk=2, free={"any": {"thing": None}})
    body["metadata"]["labelz"] = {}
    obj = read_body(widgets(), body, context(warnings=warnings))
    assert obj["spec"] == {"replicas": 1, "color": "red", "free": {"any": {"thing": None}}}
    assert "labelz" not in obj["metadata"]
    assert warnings == ['unknown field "metadata.labelz"', 'unknown field "spec.junk"']


def test_metadata_of_custom_resources_is_typed() -> None:
    body = widget()
    body["metadata"]["labels"] = {"a": 1}
    code, message = refused(widgets(), body, context())
    assert code == 400
    assert "cannot unmarshal number into Go struct field ObjectMeta.labels of type string" in message


def test_nulls_in_lists_and_maps_are_zero_values() -> None:
    body = deployment(labels={"a": None}, ownerReferences=[None], managedFields=[None])
    body["spec"]["template"]["spec"]["containers"].append(None)
    obj = read_body(DEPLOYMENTS, body, context())
    assert obj["metadata"]["labels"] == {"a": ""}
    assert obj["metadata"]["ownerReferences"] == [{"apiVersion": "", "kind": "", "name": "", "uid": ""}]
    assert obj["metadata"]["managedFields"] == [{}]
    assert obj["spec"]["template"]["spec"]["containers"][1]["name"] == ""


@pytest.mark.parametrize(("value", "what"), [(0, "number"), ([], "array"), ("", "string"), (False, "bool")])
def test_metadata_of_the_wrong_type_is_refused(value: object, what: str) -> None:
    code, message = refused(CONFIG_MAPS, {"metadata": value}, context())
    assert code == 400
    assert f"json: cannot unmarshal {what} into Go struct field ConfigMap.metadata of type v1.ObjectMeta" in message
    code, message = refused(widgets(), {**widget(), "metadata": value}, context())
    assert code == 400
    assert f"json: cannot unmarshal {what} into Go value of type v1.ObjectMeta" in message


def test_nulls_in_custom_resources_are_absent_unless_the_schema_allows_them() -> None:
    body = widget(replicas=None, color=None, free={"a": None})
    body["metadata"]["finalizers"] = [None]
    body["metadata"]["labels"] = None
    obj = read_body(widgets(), body, context())
    assert obj["spec"] == {"color": "red", "free": {"a": None}}
    assert obj["metadata"] == {"name": "w", "finalizers": [""]}


def test_what_a_patch_makes_is_refused_as_a_bad_patch() -> None:
    patched = misspelled()
    with pytest.raises(ApiError) as refusal:
        read_patched(DEPLOYMENTS, patched, MERGE, {"spec": {"replica": 2}}, context(validation="Strict"))
    assert refusal.value.code == 422
    assert 'strict decoding error: unknown field "spec.template.spec.containers[0].imagee"' in refusal.value.message
    patched["spec"]["replicas"] = "many"
    with pytest.raises(ApiError) as wrong:
        read_patched(DEPLOYMENTS, patched, MERGE, {"spec": {"replicas": "many"}}, context())
    assert wrong.value.code == 422
    assert ": json: cannot unmarshal string into Go struct field DeploymentSpec" in wrong.value.message
