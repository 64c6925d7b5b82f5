"""Questions about the caller: who am I, may I, what may I (authentication.k8s.io and authorization.k8s.io).

Answered here by the gateway's own authorizer, so that an answer is always what the chain would decide. Nothing is
stored; nobody but who may create subjectaccessreviews can ask about others (the chain has checked that already).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from gateway.apimachinery.codec import cannot_be_handled, decode_body
from gateway.apimachinery.errors import PathNotFound, bad_request, field_error, invalid, method_not_allowed
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.strict import validate_fields
from gateway.authorization.authorizer import Attributes, Authorizer, Decision, Outcome
from gateway.authorization.rbac import PolicyRule
from gateway.handlers.body import decode_apart, read_body
from gateway.handlers.response import object_response, request_representation
from gateway.request import UserInfo
from gateway.request_keys import RECEIVED_AT
from gateway.request_scope import RequestScope

RulesOf = Callable[[UserInfo, str], Sequence[PolicyRule]]
"""Returns the rules that apply to a user in a namespace."""

_GROUP = "authorization.k8s.io"
_WHO_AM_I = "selfsubjectreviews"
_MAY_I, _MAY_THEY, _MAY_THEY_HERE = "selfsubjectaccessreviews", "subjectaccessreviews", "localsubjectaccessreviews"
_WHAT_MAY_I = "selfsubjectrulesreviews"


def user_fields(user: UserInfo) -> JsonObject:
    """Return a UserInfo object of authentication.k8s.io; empty parts are left out."""
    fields: JsonObject = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    return {name: value for name, value in fields.items() if value}


def reviewed_user(spec: JsonObject) -> UserInfo:
    """Return the user a SubjectAccessReview asks about."""
    extra = spec.get("extra") or {}
    return UserInfo(
        spec.get("user") or "",
        spec.get("uid") or "",
        tuple(spec.get("groups") or ()),
        {key: tuple(values or ()) for key, values in extra.items()},
    )


def reviewed_attributes(user: UserInfo, spec: JsonObject) -> Attributes:
    """Return what an access review asks about."""
    if (path := spec.get("nonResourceAttributes")) is not None:
        return Attributes(user, path.get("verb") or "", False, path=path.get("path") or "")
    asked: JsonObject = spec["resourceAttributes"]
    return Attributes(
        user,
        asked.get("verb") or "",
        api_group=asked.get("group") or "",
        api_version=asked.get("version") or "",
        namespace=asked.get("namespace") or "",
        resource=asked.get("resource") or "",
        subresource=asked.get("subresource") or "",
        name=asked.get("name") or "",
        field_selector=_raw_selector(asked, "fieldSelector"),
        label_selector=_raw_selector(asked, "labelSelector"),
    )


def _raw_selector(asked: JsonObject, name: str) -> str:
    return (asked.get(name) or {}).get("rawSelector") or ""


def check_access_review(resource: str, spec: JsonObject, namespace: str) -> None:
    """Check what an access review asks (k8s.io/kubernetes `pkg/apis/authorization/validation`). Raises ApiError 422."""
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    faults = []
    if asked is None and path is None:
        problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        faults.append(_fault("spec.resourceAttributes", "null", problem))
    if asked is not None and path is not None:
        problem = "cannot be specified in combination with resourceAttributes"
        faults.append(_fault("spec.nonResourceAttributes", _shown_path(path), problem))
    if resource != _MAY_I and not spec.get("user") and not spec.get("groups"):
        faults.append(_fault("spec.user", '""', "at least one of user or group must be specified"))
    if resource == _MAY_THEY_HERE:
        if path is not None:
            faults.append(_fault("spec.nonResourceAttributes", _shown_path(path), "disallowed on this kind of request"))
        if asked is not None and (asked.get("namespace") or "") != namespace:
            shown = quote(asked.get("namespace") or "")
            faults.append(_fault("spec.resourceAttributes.namespace", shown, "must match metadata.namespace"))
    if faults:
        raise invalid(_GROUP, "", "", faults)


def _fault(field: str, value: str, problem: str) -> dict[str, str]:
    return field_error("FieldValueInvalid", field, f"Invalid value: {value}: {problem}")


def _shown_path(path: JsonObject) -> str:
    return f'{{"Path":{quote(path.get("path") or "")},"Verb":{quote(path.get("verb") or "")}}}'


def review_status(decision: Decision) -> JsonObject:
    """Return the status of an access review."""
    status: JsonObject = {"allowed": decision.allowed}
    if decision.outcome is Outcome.DENY:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    return status


def rules_status(rules: Sequence[PolicyRule]) -> JsonObject:
    """Return the status of a SelfSubjectRulesReview."""
    return {
        "resourceRules": [rule.to_object(resource=True) for rule in rules if rule.resources],
        "nonResourceRules": [rule.to_object(resource=False) for rule in rules if rule.non_resource_urls],
        "incomplete": False,
    }


class ReviewHandler:
    """Answers reviews by the chain's own authorizer.

    Args:
        authorizer: decides access reviews.
        rules_of: lists rules; None where only the store can list them (then those reviews are the store's to answer).
    """

    def __init__(self, authorizer: Authorizer, rules_of: RulesOf | None) -> None:
        """Keep the parts."""
        self._authorizer = authorizer
        self._rules_of = rules_of

    def answers(self, scope: RequestScope) -> bool:
        """Whether this review is answered here; the others are forwarded to the store as the caller."""
        return self._rules_of is not None or scope.info.resource == _WHO_AM_I

    async def respond(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer a review. Raises ApiError."""
        info = scope.info
        if info.verb != "create":
            raise method_not_allowed()
        request_representation(request, tables=False)  # before anything is done
        review = await decode_apart(partial(_read_review, scope), await read_body(request))
        spec = review.get("spec") or {}
        answer: JsonObject = {"kind": scope.kind, "apiVersion": info.group_version.api_version, "metadata": {}}
        if info.resource == _WHO_AM_I:
            answer["metadata"]["creationTimestamp"] = _timestamp(request[RECEIVED_AT])
            answer["status"] = {"userInfo": user_fields(scope.user)}
        elif info.resource == _WHAT_MAY_I:
            answer |= {"spec": {}, "status": self._rules(scope.user, spec)}
        else:
            answer |= {"spec": spec, "status": await self._access(scope, spec)}
        return object_response(request, answer, status=201, tables=False)

    async def _access(self, scope: RequestScope, spec: JsonObject) -> JsonObject:
        resource = scope.info.resource
        if resource not in {_MAY_I, _MAY_THEY, _MAY_THEY_HERE}:
            raise PathNotFound
        check_access_review(resource, spec, scope.info.namespace)
        user = scope.user if resource == _MAY_I else reviewed_user(spec)
        return review_status(await self._authorizer.authorize(reviewed_attributes(user, spec)))

    def _rules(self, user: UserInfo, spec: JsonObject) -> JsonObject:
        if self._rules_of is None:
            raise PathNotFound
        if not spec.get("namespace"):
            raise bad_request("no namespace on request")
        return rules_status(self._rules_of(user, spec["namespace"]))


def _read_review(scope: RequestScope, body: bytes) -> JsonObject:
    """Decode a review; its kind and the types of its fields are right. Raises ApiError 400 and 415."""
    decoded = decode_body(body, scope.content_type, expected_kind=scope.kind)
    gvk = scope.info.group_version.kind(scope.kind)
    kind, api_version = decoded.obj.get("kind") or gvk.kind, decoded.obj.get("apiVersion") or gvk.api_version
    if (kind, api_version) != (gvk.kind, gvk.api_version):
        version = api_version.rpartition("/")[2]
        go_types = f"({version}.{kind}) to ({gvk.group.partition('.')[0]}.{gvk.kind})"
        raise cannot_be_handled(api_version, kind, gvk.kind, f"converting {go_types}: unknown conversion")
    directive = scope.query.get("fieldValidation", "")
    for warning in validate_fields(decoded.obj, gvk, directive, strict_errors=decoded.strict_errors):
        scope.warn(warning)
    return decoded.obj


def _timestamp(seconds: float) -> Any:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
