"""What the gateway's identity must be allowed in a member, how that is asked, and the RBAC that grants it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.clusters.upstream import Upstream

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_ROLE = "fleetgate-member"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource, and what the gateway needs it for."""

    verb: str
    group: str
    resource: str
    purpose: str
    subresource: str = ""

    def __str__(self) -> str:
        """Return for example `impersonate users: to act as the caller`."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        qualified = f"{resource}.{self.group}" if self.group else resource
        return f"{self.verb} {qualified}: {self.purpose}"


_READ = "to show the member's objects"
_JUDGE = "to know which protected claims a Pod that is deleted would take along"
_ACT = "to act as the caller and never as itself"

REQUIRED = (
    *(Right(verb, "", resource, _READ) for resource in ("pods", "events") for verb in ("get", "list", "watch")),
    Right("list", "", "persistentvolumeclaims", _JUDGE),
    *(Right("impersonate", "", resource, _ACT) for resource in ("users", "groups", "serviceaccounts")),
    Right("impersonate", "authentication.k8s.io", "uids", _ACT),
    Right("impersonate", "authentication.k8s.io", "userextras", _ACT, "authentication.kubernetes.io/credential-id"),
)


async def missing_rights(member: Upstream) -> list[Right]:
    """Ask a member which of the required rights its gateway identity lacks. Raises ApiError."""
    return [right for right in REQUIRED if not await _allowed(member, right)]


async def _allowed(member: Upstream, right: Right) -> bool:
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }
    answer = await member.send_json("POST", _REVIEWS, review)
    return meta.field(answer, "status", "allowed") is True


async def identity(member: Upstream) -> JsonObject | None:
    """Return the userInfo a member sees the gateway as, None where it does not say (before Kubernetes 1.28)."""
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = await member.send_json("POST", _WHO_AM_I, review)
    except (ApiError, PathNotFound):
        return None
    info = meta.field(answer, "status", "userInfo")
    return info if isinstance(info, dict) else None


def rbac_manifest(user: str, cached: Sequence[GroupResource] = ()) -> str:
    """Return the YAML (JSON inside, which is YAML) that grants all required rights to `user` in a member.

    `cached` is what the gateway reads there by configuration, beside Pods and Events.
    """
    more = [
        {"apiGroups": [resource.group], "resources": [resource.resource], "verbs": ["get", "list", "watch"]}
        for resource in cached
    ]
    read = {"apiGroups": ["", "events.k8s.io"], "resources": ["pods", "events"], "verbs": ["get", "list", "watch"]}
    judge = {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list"]}
    act = {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]}
    details = {"apiGroups": ["authentication.k8s.io"], "resources": ["*"], "verbs": ["impersonate"]}
    health = {"nonResourceURLs": ["/readyz", "/version"], "verbs": ["get"]}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _ROLE},
        "rules": [read, *more, judge, act, details, health],
    }
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROLE}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _ROLE},
        "roleRef": reference,
        "subjects": [_subject(user)],
    }
    return _documents([role, binding])


def _subject(user: str) -> JsonObject:
    if user.startswith("system:serviceaccount:"):
        _, _, namespace, name = user.split(":", 3)
        return {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}


def _documents(objects: Sequence[JsonObject]) -> str:
    return "---\n".join(json.dumps(obj, indent=2) + "\n" for obj in objects)
