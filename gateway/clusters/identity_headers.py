"""Whose request an upstream sees: inbound identity is stripped, the caller is put in by impersonation headers. Pure.

Names are compared after folding case and `_` into `-`: some servers treat `X_Remote_User` as `X-Remote-User`, and
every proxy that forgot one spelling has had its advisory. Applied inside Upstream, so no caller can
forget it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from functools import lru_cache

from multidict import CIMultiDict

from gateway.apimachinery.errors import bad_request, unauthorized
from gateway.request import AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo

_IDENTITY_PREFIXES = ("impersonate-", "x-remote-", "x-forwarded-", "x-original-", "proxy-")
_IDENTITY_NAMES = frozenset(
    {"authorization", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "audit-id", "cookie", "via"}
)
ORDINARY_HEADERS = frozenset(
    {
        "Accept", "Accept-Encoding", "Cache-Control", "Content-Type", "Kubectl-Command", "Kubectl-Session",
        "User-Agent", "Warning", "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
    }
)  # fmt: skip
"""Headers as nearly all requests and answers spell them, which say nothing about anybody or the connection: what is
spelled like this needs no further look."""

_TOKEN_SUBPROTOCOL = "base64url.bearer.authorization.k8s.io."  # noqa: S105 - the prefix before a token, not a token
_WEBSOCKET_PROTOCOL = "sec-websocket-protocol"
_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "!#$&'*+-.^_`|~")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
_KEYS_REMEMBERED = 256


def canonical_name(name: str) -> str:
    """Return a header's name in the one spelling that names are compared in."""
    return name.lower().replace("_", "-")


def _claims_identity(canonical: str) -> bool:
    """Whether a header of this name says who the sender is or where it comes from."""
    return canonical in _IDENTITY_NAMES or canonical.startswith(_IDENTITY_PREFIXES)


def strip_identity(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers without any that claim an identity, and without bearer tokens among WebSocket subprotocols."""
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name in ORDINARY_HEADERS:
            kept.add(name, value)
            continue
        canonical = canonical_name(name)
        if _claims_identity(canonical):
            continue
        if canonical != _WEBSOCKET_PROTOCOL:
            kept.add(name, value)
            continue
        protocols = [protocol.strip() for protocol in value.split(",")]
        if offered := [protocol for protocol in protocols if not protocol.startswith(_TOKEN_SUBPROTOCOL)]:
            kept.add(name, ", ".join(offered))
    return kept


@lru_cache(_KEYS_REMEMBERED)  # callers come with the same few keys in every request
def escape_extra_key(key: str) -> str:
    """Write the key of an extra as part of a header name, percent-encoding what no header name may contain."""
    return "".join(
        chr(byte) if chr(byte) in _TOKEN_CHARACTERS else f"%{byte:02X}"
        for byte in key.encode("utf-8", "surrogateescape")
    )


def _safe_value(value: str) -> str:
    if _CONTROL_CHARACTER.search(value):
        raise bad_request("the caller's user name, groups or extra contain control characters")
    return value


def impersonation_headers(user: UserInfo, *, users_and_groups_only: bool = False) -> CIMultiDict[str]:
    """Return the Impersonate-* headers that make an API server see `user`.

    The groups that every API server adds itself (system:authenticated, system:unauthenticated for nobody) are left out:
    naming them would need the right to impersonate them. `users_and_groups_only` leaves uid and extra out for members
    whose impersonator may not set them.

    Raises ApiError when there is no user name (an empty one would be our own identity) or when a value cannot stand in
    a header.
    """
    if not user.name:
        raise unauthorized()
    implied = UNAUTHENTICATED_GROUP if user.anonymous else AUTHENTICATED_GROUP
    headers: CIMultiDict[str] = CIMultiDict()
    headers.add("Impersonate-User", _safe_value(user.name))
    for group in user.groups:
        if group != implied:
            headers.add("Impersonate-Group", _safe_value(group))
    if users_and_groups_only:
        return headers
    if user.uid:
        headers.add("Impersonate-Uid", _safe_value(user.uid))
    for key, values in user.extra.items():
        for value in values:
            headers.add(f"Impersonate-Extra-{escape_extra_key(key)}", _safe_value(value))
    return headers
