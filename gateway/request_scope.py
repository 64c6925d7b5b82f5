"""What a handler needs to know of a request, below HTTP: parsed facts only, no aiohttp.

The filters build it once, after authorization; handlers, write targets and admission receive it. Pure: it never holds
the raw request, so whoever has a RequestScope cannot read bytes that nobody authorised.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.request import RequestInfo, UserInfo

WARNINGS_LIMIT = 4096
"""Most characters of warnings that one answer carries (k8s.io/apiserver `endpoints/filters/warning.go`)."""

WARNING_LIMIT = 256
"""Most characters of one warning once the answer carries many."""


class RequestScope(msgspec.Struct, frozen=True):
    """One request as the handlers see it: `user` acts (after impersonation), `requestor` is who authenticated.

    `query` holds one value of each parameter; `content_type` and `accept` are as sent; `deadline` is event-loop
    time, None for a long-running request. `warnings` is what the response headers are made from: append through `warn`.
    """

    info: RequestInfo
    user: UserInfo
    requestor: UserInfo
    audit_id: str
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    content_type: str = ""
    accept: str = ""
    user_agent: str = ""
    deadline: float | None = None
    warnings: list[str] = msgspec.field(default_factory=list)
    kind: str = ""
    """The kind a written object must have; empty while nobody has looked it up."""

    def warn(self, text: str) -> None:
        """Add a Warning header to the answer: once each, printable, at most WARNINGS_LIMIT characters in all."""
        printable = "".join(character if character.isprintable() else " " for character in text)
        if not printable or printable in self.warnings:
            return
        used = sum(map(len, self.warnings))
        if used + len(printable) > WARNINGS_LIMIT - WARNING_LIMIT:
            printable = printable[:WARNING_LIMIT]
        if used + len(printable) <= WARNINGS_LIMIT and printable not in self.warnings:
            self.warnings.append(printable)
