"""Which identities a request asks to act as, and which rights that needs. Pure.

Follows k8s.io/apiserver `endpoints/filters/impersonation`: every part is asked for separately, with the
verb `impersonate`. More is refused here, for members believe whatever identity the gateway passes on, and the right to
impersonate at the federation store must not make anybody a component of every member. Whoever could not log in here,
because no certificate may name him, cannot be assumed either: `system:` users and groups, but for service accounts
outside of kube-system and groups that come by themselves. So is a header that says a thing twice or that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from gateway.apimachinery.errors import ApiError, bad_request, forbidden
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.authorizer import Attributes
from gateway.request import ANONYMOUS, AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo

_PREFIX = "impersonate-"
_FIRST_LETTERS = frozenset("iI")
_EXTRA_PREFIX = "extra-"
_STRAY_PERCENT = re.compile("%(?![0-9a-f]{2})")

_SYSTEM_PREFIX = "system:"
_SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
_SERVICE_ACCOUNTS_GROUP = "system:serviceaccounts"
_NEVER_SERVICE_ACCOUNTS = f"{_SERVICE_ACCOUNT_PREFIX}kube-system:"
_NEVER_SERVICE_ACCOUNTS_GROUP = f"{_SERVICE_ACCOUNTS_GROUP}:kube-system"
_COMMON_GROUPS = frozenset({AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, _SERVICE_ACCOUNTS_GROUP})


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom a request wants to act as. `asked_groups` are the groups it names; those added by us need no right."""

    identity: UserInfo
    asked_groups: tuple[str, ...]


def requested_identity(headers: Iterable[tuple[str, str]]) -> Impersonation | None:
    """Return whom the headers ask to act as, None when they ask for nobody. `_` in a name counts as `-`.

    Raises:
        ApiError: 400 for groups, uid or extra without a user, for two users or uids, for what is not UTF-8, and for an
            unknown Impersonate header.
    """
    single: dict[str, str] = {"user": "", "uid": ""}
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for raw_name, value in headers:
        if raw_name[:1] not in _FIRST_LETTERS:  # nearly all, in nearly all requests
            continue
        header = raw_name.lower().replace("_", "-")
        if not header.startswith(_PREFIX):
            continue
        if not _is_text(value):
            raise bad_request(f"the impersonation header {raw_name!r} is not valid UTF-8")
        part = header.removeprefix(_PREFIX)
        if part in single:
            if single[part]:
                raise bad_request(f"the impersonation header {raw_name!r} is given twice")
            single[part] = value
        elif part == "group":
            groups.append(value)
        elif part.startswith(_EXTRA_PREFIX) and part != _EXTRA_PREFIX:
            key = _extra_key(raw_name.lower()[len(_PREFIX + _EXTRA_PREFIX) :])
            extra[key] = (*extra.get(key, ()), value)
        else:
            raise bad_request(f"unknown impersonation header {raw_name!r}")
    name, uid = single["user"], single["uid"]
    if name:
        return Impersonation(UserInfo(name, uid, _completed_groups(name, groups), extra), tuple(groups))
    if groups or uid or extra:
        raise bad_request("requested groups, uid or extra without impersonating a user name")
    return None


def _is_text(value: str) -> bool:
    """Whether a header was UTF-8: aiohttp leaves lone surrogates where it was not, and those no JSON can carry."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _extra_key(encoded: str) -> str:
    """Decode the percent-encoding; a key with a stray percent sign is taken as it stands (Go's url.PathUnescape)."""
    if _STRAY_PERCENT.search(encoded):
        return encoded
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise bad_request("the key of an impersonation header for extra is not valid UTF-8") from None


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
        groups = [_SERVICE_ACCOUNTS_GROUP, f"{_SERVICE_ACCOUNTS_GROUP}:{account[0]}"]
    if AUTHENTICATED_GROUP not in groups and UNAUTHENTICATED_GROUP not in groups:
        groups.append(AUTHENTICATED_GROUP)
    return tuple(groups)


def banned(identity: UserInfo) -> ApiError | None:
    """Return the refusal of an identity nobody may assume here, None for all others."""
    if not _may_be_user(identity.name):
        return forbidden(GroupResource("", "users"), identity.name, "the gateway never impersonates system components")
    for group in identity.groups:
        if not _may_be_group(group):
            return forbidden(GroupResource("", "groups"), group, "the gateway never impersonates this group")
    return None


def _may_be_user(name: str) -> bool:
    if name.startswith(_SERVICE_ACCOUNT_PREFIX):
        return not name.startswith(_NEVER_SERVICE_ACCOUNTS)
    return name == ANONYMOUS or not name.startswith(_SYSTEM_PREFIX)


def _may_be_group(name: str) -> bool:
    if name.startswith(f"{_SERVICE_ACCOUNTS_GROUP}:"):
        return name != _NEVER_SERVICE_ACCOUNTS_GROUP
    return name in _COMMON_GROUPS or not name.startswith(_SYSTEM_PREFIX)


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
