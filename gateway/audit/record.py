"""What the audit log will say about one request, filled in by the filters and handlers it passes.

Mutable on purpose, and the only such thing that travels with a request: each field has the one writer named beside it.
Knows nothing of files or events.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.request import RequestInfo, UserInfo

PREFIX = "audit.fleetgate.io/"
CLIENT_AUDIT_ID = f"{PREFIX}client-audit-id"
"""What the client sent as Audit-ID: its own text, never used as an id."""

DECISION = "authorization.k8s.io/decision"
REASON = "authorization.k8s.io/reason"


class AuditRecord(msgspec.Struct):
    """One request. `received` is in seconds since the epoch."""

    audit_id: str
    received: float
    request_uri: str = ""
    source_ips: tuple[str, ...] = ()
    user_agent: str = ""
    info: RequestInfo | None = None
    """What is asked for: filters/audit, after request info is known."""
    user: UserInfo | None = None
    """Who authenticated: filters/authentication."""
    impersonated: UserInfo | None = None
    """Whom the request acts as, when that is somebody else: filters/impersonation."""
    cluster: str = ""
    """The member cluster it goes to, empty for the federation store: dispatch."""
    code: int = 0
    """The answer's HTTP code, with `reason` and `message` of a refusal: whoever answers."""
    reason: str = ""
    message: str = ""
    object_name: str = ""
    """The object's final name, where the URL has none: the write handler, like the three below."""
    uid: str = ""
    resource_version: str = ""
    request_object: Any = None
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    outcome_owned: bool = False
    """An intent was recorded, so the write handler records the outcome and nobody else does."""

    def annotate(self, key: str, value: str) -> None:
        """Add an annotation; keys are full names, ours begin with PREFIX."""
        self.annotations[key] = value
