"""Which identities a request asks to act as, and which rights that needs. Pure.

Follows k8s.io/apiserver `endpoints/filters/impersonation` (dialect 7): every part is asked for separately, with the
verb `impersonate`. What is refused beyond that: becoming a member of system:masters, a node, or a service account of
kube-system through a gateway is never anybody's business; nor is a header that says a thing twice or that nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.apimachinery.errors import ApiError, bad_request, forbidden
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.authorizer import Attributes
from gateway.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo

_PREFIX = "impersonate-"
_EXTRA_PREFIX = "extra-"
_SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"

_NEVER_USERS = ("system:node:", "system:serviceaccount:kube-system:")
_NEVER_GROUPS = frozenset({"system:masters", "system:nodes"})


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom a request wants to act as. `asked_groups` are the groups it names; those added by us need no right."""

    identity: UserInfo
    asked_groups: tuple[str, ...]


def requested_identity(headers: Iterable[tuple[str, str]]) -> Impersonation | None:
    """Return whom the headers ask to act as, None when they ask for nobody. `_` in a name counts as `-`.

    Raises:
        ApiError: 400 for groups, uid or extra without a user, for two users or uids, or an unknown Impersonate header.
    """
    single: dict[str, str] = {"user": "", "uid": ""}
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for raw_name, value in headers:
        header = raw_name.lower().replace("_", "-")
        if not header.startswith(_PREFIX):
            continue
        part = header.removeprefix(_PREFIX)
        if part in single:
            if single[part]:
                raise bad_request(f"the impersonation header {raw_name!r} is given twice")
            single[part] = value
        elif part == "group":
            groups.append(value)
        elif part.startswith(_EXTRA_PREFIX) and part != _EXTRA_PREFIX:
            key = unquote(raw_name.lower()[len(_PREFIX + _EXTRA_PREFIX) :])
            extra[key] = (*extra.get(key, ()), value)
        else:
            raise bad_request(f"unknown impersonation header {raw_name!r}")
    name, uid = single["user"], single["uid"]
    if name:
        return Impersonation(UserInfo(name, uid, _completed_groups(name, groups), extra), tuple(groups))
    if groups or uid or extra:
        raise bad_request("requested groups, uid or extra without impersonating a user name")
    return None


def _service_account(name: str) -> tuple[str, str] | None:
    """Return the namespace and name of a service account's user name, None for any other user."""
    if not name.startswith(_SERVICE_ACCOUNT_PREFIX):
        return None
    namespace, _, account = name.removeprefix(_SERVICE_ACCOUNT_PREFIX).partition(":")
    return (namespace, account) if namespace and account and ":" not in account else None


def _completed_groups(name: str, asked: list[str]) -> tuple[str, ...]:
    groups = list(asked)
    if name == ANONYMOUS:
        return tuple(groups) if UNAUTHENTICATED_GROUP in groups else (*groups, UNAUTHENTICATED_GROUP)
    if not groups and (account := _service_account(name)):
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
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


def needed_rights(requestor: UserInfo, impersonation: Impersonation) -> list[Attributes]:
    """Return what the requestor must be allowed, each for itself."""

    def right(resource: str, name: str, *, group: str = "", namespace: str = "", subresource: str = "") -> Attributes:
        return Attributes(
            requestor, "impersonate", api_group=group, api_version="v1", namespace=namespace, resource=resource,
            subresource=subresource, name=name,
        )  # fmt: skip

    identity, authentication = impersonation.identity, "authentication.k8s.io"
    if account := _service_account(identity.name):
        rights = [right("serviceaccounts", account[1], namespace=account[0])]
    else:
        rights = [right("users", identity.name)]
    rights += [right("groups", group) for group in impersonation.asked_groups]
    if identity.uid:
        rights.append(right("uids", identity.uid, group=authentication))
    for key, values in identity.extra.items():
        rights += [right("userextras", value, group=authentication, subresource=key) for value in values]
    return rights
