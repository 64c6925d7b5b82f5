"""Status objects: the exact shapes that kube-apiserver gives them."""

import pytest

from gateway.apimachinery import errors
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource

NOT_SUPPORTED = 'patch is not supported on resources of kind "pods"'
NOT_ALLOWED = "the server does not allow this method on the requested resource"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

PODS = GroupResource("", "pods")
DEPLOYMENTS = GroupResource("apps", "deployments")


def test_not_found_is_the_whole_status():
    assert errors.not_found(DEPLOYMENTS, "x").status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'deployments.apps "x" not found',
        "reason": "NotFound",
        "details": {"name": "x", "group": "apps", "kind": "deployments"},
        "code": 404,
    }


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        (errors.bad_request("b"), 400, "BadRequest", "b"),
        (errors.unauthorized(), 401, "Unauthorized", "Unauthorized"),
        (errors.forbidden(PODS, "x", "no"), 403, "Forbidden", 'pods "x" is forbidden: no'),
        (errors.forbidden(PODS, "", "no"), 403, "Forbidden", "pods is forbidden: no"),
        (errors.forbidden(GroupResource("", ""), "", "no"), 403, "Forbidden", "forbidden: no"),
        (errors.method_not_supported(PODS, "patch"), 405, "MethodNotAllowed", NOT_SUPPORTED),
        (errors.method_not_allowed(), 405, "MethodNotAllowed", NOT_ALLOWED),
        (errors.not_acceptable(["a", "b"]), 406, "NotAcceptable", "only the following media types are accepted: a, b"),
        (errors.already_exists(PODS, "x"), 409, "AlreadyExists", 'pods "x" already exists'),
        (errors.conflict(PODS, "x"), 409, "Conflict", f'Operation cannot be fulfilled on pods "x": {MODIFIED}'),
        (errors.apply_conflict("Apply failed", [{"a": "b"}]), 409, "Conflict", "Apply failed"),
        (errors.too_old_resource_version(5, 9), 410, "Expired", "too old resource version: 5 (9)"),
        (errors.request_entity_too_large(), 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"),
        (errors.internal_error("x"), 500, "InternalError", "Internal error occurred: x"),
        (errors.service_unavailable("x"), 503, "ServiceUnavailable", "x"),
        (errors.gateway_timeout("x"), 504, "Timeout", "Timeout: x"),
    ],
)  # fmt: skip
def test_codes_and_texts(error, code, reason, message):
    assert (error.code, error.reason, error.message) == (code, reason, message)
    assert error.status["code"] == code


def test_unsupported_media_type_names_what_is_understood():
    message = errors.unsupported_media_type(["application/json"]).message
    assert (
        message == "the body of the request was in an unknown format - accepted media types include: application/json"
    )


def test_invalid_joins_its_causes():
    one = errors.field_error("FieldValueInvalid", "spec.replicas", "Invalid value: -1: must be positive")
    assert errors.invalid("apps", "Deployment", "x", [one]).message == (
        'Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be positive'
    )
    two = errors.invalid("", "Pod", "x", [one, errors.field_error("FieldValueRequired", "", "Required value")])
    assert two.message == 'Pod "x" is invalid: [spec.replicas: Invalid value: -1: must be positive, Required value]'
    assert errors.invalid("", "Pod", "x", []).message == 'Pod "x" is invalid'


def test_retry_after_becomes_a_header():
    assert errors.too_large_resource_version(9, 5).headers == {"Retry-After": "1"}
    assert errors.service_unavailable("x", retry_after_seconds=5).headers["Retry-After"] == "5"
    assert errors.too_large_resource_version(9, 5).message == "Timeout: Too large resource version: 9, current: 5"


def test_status_round_trip():
    original = errors.conflict(PODS, "x")
    again = ApiError.from_status(original.status)
    assert again.status == original.status
    assert ApiError.from_status({"details": []}).code == 500


def test_causes_leave_out_what_is_empty():
    assert errors.cause("f", "m") == {"message": "m", "field": "f"}
    with_causes = errors.forbidden(PODS, "x", "no", causes=[errors.cause("", "m", "r")])
    assert with_causes.details["causes"] == [{"reason": "r", "message": "m"}]


def test_repr_shows_code_and_reason():
    assert repr(errors.bad_request("b")) == "ApiError(400 BadRequest: b)"


def test_details_stand_where_kube_apiserver_has_them_even_when_they_are_empty():
    for error in (
        errors.gateway_timeout("x"),
        errors.method_not_allowed(),
        errors.forbidden(GroupResource("", ""), "", "x"),
    ):
        assert error.status["details"] == {}
    for error in (
        errors.bad_request("x"),
        errors.unauthorized(),
        errors.not_acceptable([]),
        errors.expired("x"),
        errors.request_entity_too_large(),
        errors.unsupported_media_type([]),
        errors.service_unavailable("x"),
    ):
        assert "details" not in error.status
