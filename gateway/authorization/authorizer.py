"""What is asked of an authorizer and what it answers. Pure.

A decision is a value with a reason; its zero value denies. Follows k8s.io/apiserver `authorization/authorizer`.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import msgspec

from gateway.apimachinery.errors import ApiError, forbidden
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.schema import GroupResource
from gateway.request import RequestInfo, UserInfo


class Outcome(Enum):
    """Deny and no opinion both refuse; they differ when authorizers are combined."""

    DENY = 0
    NO_OPINION = 1
    ALLOW = 2


class Decision(msgspec.Struct, frozen=True, gc=False):
    """An outcome and why; the reason is shown to the caller and written to the audit log."""

    outcome: Outcome = Outcome.DENY
    reason: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the request may go on."""
        return self.outcome is Outcome.ALLOW


class Attributes(msgspec.Struct, frozen=True):
    """Who wants to do what. For a non-resource request only `user`, `verb` and `path` mean something."""

    user: UserInfo
    verb: str
    is_resource_request: bool = True
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    path: str = ""
    field_selector: str = ""
    label_selector: str = ""


class Authorizer(Protocol):
    """Decides. Raises ApiError only when it cannot decide at all (the store cannot be asked)."""

    async def authorize(self, attributes: Attributes) -> Decision:
        """Return the decision for one request."""
        ...


def request_attributes(user: UserInfo, info: RequestInfo) -> Attributes:
    """Return what a request asks for, in the words of an authorizer."""
    return Attributes(
        user=user,
        verb=info.verb,
        is_resource_request=info.is_resource_request,
        api_group=info.api_group,
        api_version=info.api_version,
        namespace=info.namespace,
        resource=info.resource,
        subresource=info.subresource,
        name=info.name,
        path=info.path,
        field_selector=info.field_selector,
        label_selector=info.label_selector,
    )


_SANITIZED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
"""Nothing that a caller made up is to look like HTML."""


def denial(attributes: Attributes, reason: str) -> ApiError:
    """Return the 403 of kube-apiserver for a refused request (`endpoints/handlers/responsewriters/errors.go`)."""
    user = quote(attributes.user.name)
    if not attributes.is_resource_request:
        text = f"User {user} cannot {attributes.verb} path {quote(attributes.path)}"
    else:
        resource = attributes.resource
        if attributes.subresource:
            resource = f"{resource}/{attributes.subresource}"
        namespace = quote(attributes.namespace)
        scope = f"in the namespace {namespace}" if attributes.namespace else "at the cluster scope"
        group = quote(attributes.api_group)
        text = f"User {user} cannot {attributes.verb} resource {quote(resource)} in API group {group} {scope}"
    text = text.translate(_SANITIZED)
    group_resource = GroupResource(attributes.api_group, attributes.resource)
    return forbidden(group_resource, attributes.name, f"{text}: {reason}" if reason else text)
