"""What changes on a request and an answer that are passed on: hop-by-hop headers, names, paths, queries. Pure.

Identity is not handled here: clusters/identity_headers.py strips and sets it inside Upstream, where no caller can
forget it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from msgspec.structs import replace
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.clusters.identity_headers import ORDINARY_HEADERS, canonical_name
from gateway.request import RequestInfo

Headers = CIMultiDict[str] | CIMultiDictProxy[str]

_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
        "http2-settings",
    }
)  # fmt: skip
_REQUEST_ONLY = frozenset({"host", "content-length", "expect"})
_ANSWER_ONLY = frozenset(
    {"audit-id", "date", "server", "set-cookie", "strict-transport-security", "alt-svc", "content-length"}
)
"""Headers of an answer that are ours to say; Content-Length is set from the number, not copied."""
_NOT_SENT_ON = _HOP_BY_HOP | _REQUEST_ONLY
_NOT_ANSWERED = _HOP_BY_HOP | _ANSWER_ONLY


def _named_by_connection(values: Iterable[str]) -> frozenset[str]:
    return frozenset(canonical_name(name.strip()) for value in values for name in value.split(","))


def _without(headers: Headers, dropped: frozenset[str]) -> CIMultiDict[str]:
    ordinary = ORDINARY_HEADERS
    if "Connection" in headers:
        dropped = dropped | _named_by_connection(headers.getall("Connection"))
        ordinary = frozenset()
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name in ordinary or canonical_name(name) not in dropped:
            kept.add(name, value)
    return kept


def request_headers(headers: Headers) -> CIMultiDict[str]:
    """Return what of a request's headers concerns the other end."""
    return _without(headers, _NOT_SENT_ON)


def upgrade_headers(headers: Headers) -> CIMultiDict[str]:
    """Return the headers of an upgrade request: as any other, with the upgrade itself."""
    kept = request_headers(headers)
    kept["Connection"] = "Upgrade"
    for value in headers.getall("Upgrade", ()):
        kept.add("Upgrade", value)
    return kept


def response_headers(headers: Headers) -> CIMultiDict[str]:
    """Return what of an answer's headers concerns the client."""
    return _without(headers, _NOT_ANSWERED)


def query_string(pairs: Iterable[tuple[str, str]]) -> str:
    """Encode a parsed query again, so that what was understood is what is sent on."""
    return urlencode(list(pairs), quote_via=quote)


def rename(info: RequestInfo, name: str) -> RequestInfo:
    """Return the request for the same object under the name it has in its own cluster."""
    if name == info.name:
        return info
    trailing = "/" if info.path.endswith("/") else ""
    segments = info.path.strip("/").split("/")
    parts = list(info.parts)  # the last segments of the path: resource, name, subresource and what follows
    segments[len(segments) - len(parts) + 1] = parts[1] = name
    return replace(info, name=name, parts=tuple(parts), path=f"/{'/'.join(segments)}{trailing}")
