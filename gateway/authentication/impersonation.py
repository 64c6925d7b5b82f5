"""Which identities a request asks to act as, and which rights that needs. Pure.

Follows k8s.io/apiserver `endpoints/filters/impersonation` (dialect 7): every part is asked for separately, with the verb
`impersonate`. What is refused beyond that: becoming a member of system:masters, a node, or a service account of
kube-system through a gateway is never anybody's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from gateway.apimachinery.errors import ApiError, bad_request, forbidden
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.authorizer import Attributes
from gateway.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo

USER_HEADER = "impersonate-user"
GROUP_HEADER = "impersonate-group"
UID_HEADER = "impersonate-uid"
EXTRA_PREFIX = "impersonate-extra-"

SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
_NEVER_USERS = ("system:node:", "system:serviceaccount:kube-system:")
_NEVER_GROUPS = frozenset({"system:masters", "system:nodes"})


def requested_identity(headers: Iterable[tuple[str, str]]) -> UserInfo | None:
    """Return whom the headers ask to act as, None when they ask for nobody.

    Raises:
        ApiError: 400 for groups, uid or extra without a user, or an unknown Impersonate header.
    """
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for raw_name, value in headers:
        header = raw_name.lower().replace("_", "-")
        if not header.startswith("impersonate-"):
            continue
        if header == USER_HEADER:
            name = value
        elif header == GROUP_HEADER:
            groups.append(value)
        elif header == UID_HEADER:
            uid = value
        elif header.startswith(EXTRA_PREFIX) and len(header) > len(EXTRA_PREFIX):
            key = unquote(header.removeprefix(EXTRA_PREFIX)).lower()
            extra[key] = (*extra.get(key, ()), value)
        else:
            raise bad_request(f"unknown impersonation header {raw_name!r}")
    if not name:
        if groups or uid or extra:
            raise bad_request("requested groups, uid or extra without impersonating a user")
        return None
    return UserInfo(name, uid, _completed_groups(name, groups), extra)


def _completed_groups(name: str, asked: list[str]) -> tuple[str, ...]:
    groups = list(asked)
    if name == ANONYMOUS:
        return tuple(groups) if UNAUTHENTICATED_GROUP in groups else (*groups, UNAUTHENTICATED_GROUP)
    if not groups and name.startswith(SERVICE_ACCOUNT_PREFIX):
        namespace = name.split(":")[2]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    if AUTHENTICATED_GROUP not in groups and UNAUTHENTICATED_GROUP not in groups:
        groups.append(AUTHENTICATED_GROUP)
    return tuple(groups)


def banned(identity: UserInfo) -> ApiError | None:
    """Return the refusal of an identity nobody may assume here, None for all others."""
    if identity.name.startswith(_NEVER_USERS):
        return forbidden(GroupResource("", "users"), identity.name, "the gateway never impersonates system components")
    for group in identity.groups:
        if group in _NEVER_GROUPS:
            return forbidden(GroupResource("", "groups"), group, "the gateway never impersonates this group")
    return None


def needed_rights(requestor: UserInfo, identity: UserInfo, asked_groups: Iterable[str]) -> list[Attributes]:
    """Return what the requestor must be allowed, each for itself.

    `asked_groups` are the groups named by headers: those added by us need no right.
    """

    def right(resource: str, name: str, *, group: str = "", namespace: str = "", subresource: str = "") -> Attributes:
        return Attributes(
            requestor, "impersonate", api_group=group, api_version="v1", namespace=namespace, resource=resource,
            subresource=subresource, name=name,
        )  # fmt: skip

    parts = identity.name.split(":")
    if identity.name.startswith(SERVICE_ACCOUNT_PREFIX) and len(parts) == 4:
        rights = [right("serviceaccounts", parts[3], namespace=parts[2])]
    else:
        rights = [right("users", identity.name)]
    rights += [right("groups", group) for group in asked_groups]
    if identity.uid:
        rights.append(right("uids", identity.uid, group="authentication.k8s.io"))
    for key, values in identity.extra.items():
        rights += [right("userextras", value, group="authentication.k8s.io", subresource=key) for value in values]
    return rights
