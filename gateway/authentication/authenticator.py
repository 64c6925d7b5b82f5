"""Turns the credentials of a request into a UserInfo.

An authenticator that finds no credentials of its kind has no opinion (None); one that finds bad ones refuses (401). One
good credential is enough, whatever comes with it; with bad ones alone nobody is let through, not even as anonymous: who
presents a credential means to be somebody. Follows k8s.io/apiserver `authentication/request/union`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import hdrs, web
from msgspec.structs import replace

from gateway.apimachinery.errors import ApiError, unauthorized
from gateway.request import ANONYMOUS_USER, AUTHENTICATED_GROUP, RequestInfo, UserInfo
from gateway.request_keys import REQUEST_INFO

_KNOWN_USERS = 4096
_OPEN_PATHS = frozenset({"livez", "readyz", "healthz"})


class Authenticator(Protocol):
    """Knows one kind of credentials."""

    def authenticate(self, request: web.BaseRequest) -> UserInfo | None:
        """Return who asks, or None for no opinion. Raises ApiError 401 for a credential that is no good."""
        ...


class RequestAuthenticator(Protocol):
    """Finds out who asks, whatever the credentials."""

    def authenticate(self, request: web.BaseRequest) -> UserInfo:
        """Return who asks. Raises ApiError 401."""
        ...


class RefuseBearerTokens:
    """No tokens are issued or known yet, so every one is a wrong one; silence would make its bearer anonymous."""

    def authenticate(self, request: web.BaseRequest) -> UserInfo | None:
        """Refuse an Authorization header that carries anything."""
        for value in request.headers.getall(hdrs.AUTHORIZATION, ()):
            if value.strip():
                raise unauthorized()
        return None


class UnionAuthenticator:
    """The first authenticator that knows the caller decides; without any credentials, only health may be asked for."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        """Take the authenticators, asked in this order."""
        self._authenticators = authenticators
        self._users: dict[str, tuple[UserInfo, UserInfo]] = {}  # by fingerprint: as known by the credential, completed

    def authenticate(self, request: web.BaseRequest) -> UserInfo:
        """Return who asks, system:anonymous for the health endpoints alone. Raises ApiError 401."""
        refusal: ApiError | None = None
        for authenticator in self._authenticators:
            try:
                user = authenticator.authenticate(request)
            except ApiError as error:
                refusal = refusal or error
                continue
            if user is not None:
                return self._completed(user)
        if refusal is None and is_open(request[REQUEST_INFO]):
            return ANONYMOUS_USER
        raise refusal or unauthorized()

    def _completed(self, user: UserInfo) -> UserInfo:
        """Return the user as a member of system:authenticated, which whoever authenticated is."""
        known = self._users.get(user.credential_fingerprint)
        if known is not None and known[0] is user:
            return known[1]
        completed = replace(user, groups=tuple(dict.fromkeys((*user.groups, AUTHENTICATED_GROUP))))
        if len(self._users) >= _KNOWN_USERS:
            self._users.clear()
        self._users[user.credential_fingerprint] = user, completed
        return completed


def is_open(info: RequestInfo) -> bool:
    """Whether a request is for the gateway's own health and nothing else, which anybody may ask for."""
    return not info.is_resource_request and not info.cluster and info.parts[:1] != () and info.parts[0] in _OPEN_PATHS
