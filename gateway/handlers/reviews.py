"""Questions about the caller: who am I, may I, what may I (authentication.k8s.io and authorization.k8s.io).

Answered here by the gateway's own authorizer, so that an answer is always what the chain would decide. Nothing is stored;
nobody but who may create subjectaccessreviews can ask about others (the chain has checked that already).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from gateway.apimachinery.codec import decode_body
from gateway.apimachinery.errors import PathNotFound, bad_request, method_not_allowed
from gateway.apimachinery.meta import JsonObject, field
from gateway.authorization.authorizer import Attributes, Authorizer, Decision, Outcome
from gateway.authorization.rbac import PolicyRule
from gateway.handlers.body import read_body
from gateway.handlers.response import object_response
from gateway.request import UserInfo
from gateway.request_scope import RequestScope

RulesOf = Callable[[UserInfo, str], Sequence[PolicyRule]]
"""Returns the rules that apply to a user in a namespace."""

_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def user_fields(user: UserInfo) -> JsonObject:
    """Return a UserInfo object of authentication.k8s.io; empty parts are left out."""
    fields: JsonObject = {"username": user.name}
    if user.uid:
        fields["uid"] = user.uid
    if user.groups:
        fields["groups"] = list(user.groups)
    if user.extra:
        fields["extra"] = {key: list(values) for key, values in user.extra.items()}
    return fields


def reviewed_user(spec: JsonObject) -> UserInfo:
    """Return the user a SubjectAccessReview asks about. Raises ApiError 400 when it names nobody."""
    name, groups, extra = spec.get("user"), spec.get("groups"), spec.get("extra")
    if not name and not groups:
        raise bad_request("spec.user or spec.groups must be given")
    listed = extra if isinstance(extra, dict) else {}
    return UserInfo(
        str(name or ""),
        str(spec.get("uid") or ""),
        tuple(map(str, groups)) if isinstance(groups, list) else (),
        {str(key): tuple(map(str, values)) for key, values in listed.items() if isinstance(values, list)},
    )


def reviewed_attributes(user: UserInfo, spec: JsonObject, namespace: str = "") -> Attributes:
    """Return what a review asks about. Raises ApiError 400 unless it is exactly one of resource and path."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(resource, dict) == isinstance(path, dict):
        raise bad_request("exactly one of spec.resourceAttributes and spec.nonResourceAttributes must be given")
    if isinstance(path, dict):
        return Attributes(user, str(path.get("verb") or ""), False, path=str(path.get("path") or ""))

    def text(name: str) -> str:
        return str(field(spec, "resourceAttributes", name) or "")

    return Attributes(
        user,
        text("verb"),
        api_group=text("group"),
        api_version=text("version"),
        namespace=namespace or text("namespace"),
        resource=text("resource"),
        subresource=text("subresource"),
        name=text("name"),
    )


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
        if self._rules_of is not None:
            return True
        return scope.info.resource == "selfsubjectreviews"

    async def respond(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer a review. Raises ApiError."""
        info = scope.info
        if info.verb != "create":
            raise method_not_allowed()
        review = _object(decode_body(await read_body(request), scope.content_type).obj)
        spec = _object(review.get("spec") or {})
        review.setdefault("metadata", {})
        review["metadata"].setdefault("creationTimestamp", None)
        review["status"] = await self._status(scope, spec)
        if info.api_group == _AUTHENTICATION:
            review.pop("spec", None)
        return object_response(request, review, status=201)

    async def _status(self, scope: RequestScope, spec: JsonObject) -> JsonObject:
        match scope.info.api_group, scope.info.resource:
            case (group, "selfsubjectreviews") if group == _AUTHENTICATION:
                return {"userInfo": user_fields(scope.user)}
            case (group, "selfsubjectaccessreviews") if group == _AUTHORIZATION:
                attributes = reviewed_attributes(scope.user, spec)
            case (group, "subjectaccessreviews") if group == _AUTHORIZATION:
                attributes = reviewed_attributes(reviewed_user(spec), spec)
            case (group, "localsubjectaccessreviews") if group == _AUTHORIZATION:
                attributes = reviewed_attributes(reviewed_user(spec), spec, scope.info.namespace)
            case (group, "selfsubjectrulesreviews") if group == _AUTHORIZATION and self._rules_of is not None:
                return rules_status(self._rules_of(scope.user, str(spec.get("namespace") or "")))
            case _:
                raise PathNotFound
        return review_status(await self._authorizer.authorize(attributes))


def _object(value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise bad_request("the object provided is not a review")
    return value
