from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.patch.patch import APPLY_PATCH, MERGE_PATCH
from gateway.handlers.write_options import default_field_manager, parse_delete_options, parse_write_options
from gateway.write_request import DeleteOptions, WriteOptions


def parse(query: dict[str, str], verb: str = "create", patch_type: str = "") -> WriteOptions:
    return parse_write_options(query, verb, patch_type=patch_type, user_agent="kubectl/v1.36 (linux)")


def test_without_parameters_the_user_agent_manages_the_fields() -> None:
    assert parse({}) == WriteOptions(False, "kubectl", "", None)


def test_all_parameters() -> None:
    query = {"dryRun": "All", "fieldManager": "helm", "fieldValidation": "Strict", "force": "true"}
    assert parse(query, "patch", APPLY_PATCH) == WriteOptions(True, "helm", "Strict", True)


def test_force_that_is_denied_is_still_given() -> None:
    assert parse({"fieldManager": "helm", "force": "false"}, "patch", APPLY_PATCH).force is False


@pytest.mark.parametrize(
    ("query", "verb", "patch_type", "message"),
    [
        (
            {"dryRun": "Some"},
            "create",
            "",
            'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
        ),
        (
            {"dryRun": ""},
            "update",
            "",
            'UpdateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: [""]: supported values: "All"',
        ),
        (
            {},
            "patch",
            APPLY_PATCH,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        ),
        (
            {"force": "true"},
            "patch",
            MERGE_PATCH,
            'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
        ),
        (
            {"fieldManager": "m" * 129},
            "create",
            "",
            'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
        ),
        (
            {"fieldManager": "a\u0001"},
            "create",
            "",
            'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\x01": '
            "invalid character U+0001 (at position 1)",
        ),
        (
            {"fieldValidation": "strict"},
            "create",
            "",
            'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "strict": '
            'supported values: "", "Ignore", "Strict", "Warn"',
        ),
    ],
)
def test_wrong_options_are_told_as_kube_apiserver_does(
    query: dict[str, str], verb: str, patch_type: str, message: str
) -> None:
    with pytest.raises(ApiError) as refused:
        parse(query, verb, patch_type)
    assert (refused.value.code, refused.value.message) == (422, message)


def test_several_faults_are_told_at_once() -> None:
    with pytest.raises(ApiError) as refused:
        parse({"dryRun": "x", "fieldValidation": "y"})
    assert [cause["field"] for cause in refused.value.details["causes"]] == ["dryRun", "fieldValidation"]


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.36", "kubectl"),
        ("a\x00b/1", "ab"),
        ("ä" * 100, "ä" * 64),
        ("", "unknown"),
    ],
)
def test_the_default_field_manager(user_agent: str, manager: str) -> None:
    assert default_field_manager(user_agent) == manager


def test_delete_options_from_the_query() -> None:
    query = {"gracePeriodSeconds": "5", "propagationPolicy": "Orphan", "dryRun": "All"}
    assert parse_delete_options(query, None) == (DeleteOptions(5, "Orphan"), True)
    assert parse_delete_options({"orphanDependents": "false"}, None) == (DeleteOptions(orphan_dependents=False), False)
    assert parse_delete_options({}, None) == (DeleteOptions(), False)


def test_a_body_replaces_the_query() -> None:
    body = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "dryRun": ["All"],
    }
    query = {"gracePeriodSeconds": "5", "dryRun": "All"}
    assert parse_delete_options(query, body) == (DeleteOptions(0, "Background", None, "u", "7"), True)


def test_a_body_without_a_kind_is_delete_options() -> None:
    assert parse_delete_options({}, {"propagationPolicy": "Background"})[0].propagation_policy == "Background"


def test_a_dry_run_that_the_body_would_take_back_is_refused() -> None:
    """kube-apiserver would delete for real: the body replaces the query."""
    with pytest.raises(ApiError) as refused:
        parse_delete_options({"dryRun": "All"}, {})
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("query", "body", "code", "text"),
    [
        ({"gracePeriodSeconds": "soon"}, None, 400, 'strconv.ParseInt: parsing "soon": invalid syntax'),
        ({"dryRun": "x"}, None, 422, 'dryRun: Unsupported value: ["x"]: supported values: "All"'),
        ({}, {"dryRun": ["All", "x"]}, 422, 'Unsupported value: ["All","x"]'),
        (
            {},
            {"dryRun": "All"},
            400,
            "cannot unmarshal string into Go struct field DeleteOptions.dryRun of type []string",
        ),
        ({}, {"gracePeriodSeconds": "5"}, 400, "DeleteOptions.gracePeriodSeconds of type int64"),
        ({}, {"gracePeriodSeconds": True}, 400, "cannot unmarshal bool"),
        ({}, {"preconditions": []}, 400, "DeleteOptions.preconditions of type v1.Preconditions"),
        ({}, {"kind": "Pod"}, 400, "decoded object cannot be converted to DeleteOptions"),
        (
            {},
            {"propagationPolicy": "Sideways"},
            422,
            'propagationPolicy: Unsupported value: "Sideways": '
            'supported values: "Foreground", "Background", "Orphan", "nil"',
        ),
        ({}, {"propagationPolicy": ""}, 422, 'Unsupported value: ""'),
        (
            {},
            {"propagationPolicy": "Orphan", "orphanDependents": True},
            422,
            "orphanDependents and deletionPropagation cannot be both set",
        ),
    ],
)
def test_wrong_delete_options(query: dict[str, str], body: Any, code: int, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_delete_options(query, body)
    assert refused.value.code == code
    assert text in refused.value.message
