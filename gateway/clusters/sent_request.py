"""A request as it leaves for another API server: what is asked, and in whose name. Pure.

Its headers are made here: inbound identity is stripped and the caller impersonated, so that nobody who asks an Upstream
can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from multidict import CIMultiDict

from gateway.apimachinery.errors import internal_error
from gateway.clusters.identity_headers import impersonation_headers, strip_identity
from gateway.request import UserInfo

USER_AGENT = "fleetgate"


class SentRequest(msgspec.Struct, frozen=True):
    """One request to another API server.

    `path` is percent-encoded and rebuilt from a RequestInfo, never the raw one of a client; `query` is encoded, without
    the question mark. Of `headers`, what claims an identity in any spelling is not sent. `user` is whom to impersonate,
    None for the gateway's own identity. `audit_id` is the Audit-ID that the other side shall record too.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes | None = None
    user: UserInfo | None = None
    audit_id: str = ""

    @property
    def target(self) -> str:
        """Path and query as the request line has them. Raises ApiError 500 for what is no path."""
        if not self.path.startswith("/"):
            raise internal_error(f"not a path: {self.path!r}")
        return f"{self.path}?{self.query}" if self.query else self.path

    def headers_to_send(self, *, users_and_groups_only: bool) -> CIMultiDict[str]:
        """Return the headers, impersonation among them; `users_and_groups_only` as for `impersonation_headers`.

        Raises ApiError when the user cannot be impersonated.
        """
        sent = strip_identity(self.headers)
        sent.setdefault("User-Agent", USER_AGENT)
        if self.user is not None:
            sent.extend(impersonation_headers(self.user, users_and_groups_only=users_and_groups_only))
        if self.audit_id:
            sent["Audit-ID"] = self.audit_id
        return sent
