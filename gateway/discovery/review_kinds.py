"""The questions a gateway with an embedded store answers itself, as discovery lists them. Pure data.

Facts of kube-apiserver 1.36. A remote store lists its own; tokens are reviewed there only.
"""

from __future__ import annotations

from gateway.apimachinery.schema import GroupVersion
from gateway.discovery.surface import ApiGroup, ApiResource, ApiVersion

AUTHENTICATION = GroupVersion("authentication.k8s.io", "v1")
AUTHORIZATION = GroupVersion("authorization.k8s.io", "v1")


def _review(group_version: GroupVersion, kind: str, *, namespaced: bool = False) -> ApiResource:
    singular = kind.lower()
    return ApiResource(
        group_version.resource(f"{singular}s"),
        group_version.kind(kind),
        namespaced=namespaced,
        singular=singular,
        verbs=("create",),
    )


REVIEW_GROUPS = (
    ApiGroup(
        AUTHENTICATION.group, (ApiVersion(AUTHENTICATION.version, (_review(AUTHENTICATION, "SelfSubjectReview"),)),)
    ),
    ApiGroup(
        AUTHORIZATION.group,
        (
            ApiVersion(
                AUTHORIZATION.version,
                (
                    _review(AUTHORIZATION, "LocalSubjectAccessReview", namespaced=True),
                    _review(AUTHORIZATION, "SelfSubjectAccessReview"),
                    _review(AUTHORIZATION, "SelfSubjectRulesReview"),
                    _review(AUTHORIZATION, "SubjectAccessReview"),
                ),
            ),
        ),
    ),
)
"""`kubectl auth whoami` and `kubectl auth can-i`."""
