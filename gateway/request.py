"""What a request asks for and who asks it, parsed once into frozen records.

RequestInfo follows k8s.io/apiserver `endpoints/request/requestinfo.go`. Pure: it imports only the floor.
From here on nobody looks at the raw path: what was authorised is exactly what is forwarded, because forwarded paths are
rebuilt from RequestInfo by `upstream_path`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

import msgspec

from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersion, GroupVersionResource

ANONYMOUS = "system:anonymous"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
AUTHENTICATED_GROUP = "system:authenticated"

LONG_RUNNING_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "log", "portforward"})
CONNECT_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "portforward"})
WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})

_VERB_BY_METHOD = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_DOTS = frozenset({".", ".."})
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_.~/-]*")
"""A path that means the same percent-encoded and not (`urllib.parse.quote` leaves nothing else as it is)."""
_SPECIAL_VERBS = frozenset({"proxy", "watch"})
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class UserInfo(msgspec.Struct, frozen=True):
    """An authenticated identity (authentication.k8s.io UserInfo). `credential_fingerprint` names the certificate used.

    `extra` keys are lower case; values are tuples of strings. The fingerprint never leaves the process.
    """

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    credential_fingerprint: str = ""

    @property
    def anonymous(self) -> bool:
        """Whether nobody was authenticated."""
        return self.name == ANONYMOUS


ANONYMOUS_USER = UserInfo(ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))


class RequestInfo(msgspec.Struct, frozen=True):
    """What is asked for. For a non-resource request only `path` and `verb` (the lower-case method) mean something."""

    is_resource_request: bool
    path: str
    verb: str
    api_group: str = ""
    api_version: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    parts: tuple[str, ...] = ()
    cluster: str = ""
    """The member named by a `/clusters/{name}/…` prefix; empty for the merged and federated view."""
    field_selector: str = ""
    label_selector: str = ""

    @property
    def object_namespace(self) -> str:
        """The namespace of the objects asked for; that of a Namespace is none, although its requests name itself."""
        return "" if self.resource == "namespaces" and not self.api_group else self.namespace

    @property
    def key(self) -> ObjectKey:
        """The object asked for; its name is empty for a whole collection."""
        return ObjectKey(self.object_namespace, self.name)

    @property
    def group_resource(self) -> GroupResource:
        """The resource without its version."""
        return GroupResource(self.api_group, self.resource)

    @property
    def group_version(self) -> GroupVersion:
        """The group and version asked for."""
        return GroupVersion(self.api_group, self.api_version)

    @property
    def group_version_resource(self) -> GroupVersionResource:
        """The resource asked for."""
        return GroupVersionResource(self.api_group, self.api_version, self.resource)

    @property
    def is_write(self) -> bool:
        """Whether the request may change something: admission and audit intent apply."""
        return self.is_resource_request and self.verb in WRITE_VERBS

    @property
    def is_long_running(self) -> bool:
        """Whether the request has no deadline (watch, proxy, and the streaming subresources)."""
        return self.verb in _SPECIAL_VERBS or self.subresource in LONG_RUNNING_SUBRESOURCES


def truthy(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean query parameter as apimachinery does: present and not `0` or `false` is true, even when empty."""
    value = query.get(name)
    return value is not None and value.lower() not in {"0", "false"}


def _split(path: str) -> list[str]:
    trimmed = path.strip("/")
    return trimmed.split("/") if trimmed else []


def _decode_segments(raw_path: str) -> list[str]:
    """Split before decoding, so that an encoded slash never makes a new segment; refuse what proxies disagree about."""
    segments = _split(raw_path)
    if "%" not in raw_path and "\x00" not in raw_path and _DOTS.isdisjoint(segments):  # nearly always
        return segments
    segments = [unquote(raw, errors="strict") for raw in segments]
    for segment in segments:
        if segment in _DOTS or "/" in segment or "%" in segment or "\x00" in segment:
            raise bad_request(f"invalid path segment {segment!r} in the request URL")
    return segments


def _name_from_field_selector(field_selector: str) -> str:
    for term in field_selector.split(","):
        for operator in ("==", "="):
            key, found, value = term.partition(operator)
            if found:
                if key.strip() == "metadata.name" and not key.endswith("!"):
                    return value
                break
    return ""


def parse_request_info(method: str, raw_path: str, query: Mapping[str, str]) -> RequestInfo:
    """Parse a request line. `raw_path` is still percent-encoded and has no query string.

    Raises ApiError 400 for dot segments, encoded slashes, stray percent signs or bytes that are not UTF-8: members and
    proxies decode those differently, and what was authorised must be what is forwarded.
    """
    try:
        segments = _decode_segments(raw_path)
    except UnicodeDecodeError:
        raise bad_request("the request URL is not valid UTF-8") from None
    cluster = ""
    if len(segments) >= 2 and segments[0] == "clusters":
        cluster, segments = segments[1], segments[2:]
        if segments and not segments[0]:  # a path rebuilt for the member would lose the empty segment
            raise bad_request("the request URL has an empty path segment behind the cluster")
    path = "/" + "/".join(segments) + ("/" if raw_path.endswith("/") and segments else "")
    if len(segments) >= 3 and segments[0] == "api":
        return _parse_resource(method, path, query, ("", segments[1], cluster), segments[2:])
    if len(segments) >= 4 and segments[0] == "apis":
        return _parse_resource(method, path, query, (segments[1], segments[2], cluster), segments[3:])
    return RequestInfo(False, path, method.lower(), parts=tuple(segments), cluster=cluster)


def _parse_resource(
    method: str, path: str, query: Mapping[str, str], base: tuple[str, str, str], rest: list[str]
) -> RequestInfo:
    group, version, cluster = base
    verb = _VERB_BY_METHOD.get(method, "")
    special = ""
    if rest[0] in _SPECIAL_VERBS:
        if len(rest) < 2:
            raise bad_request(f"unable to determine kind and namespace from url, {path}")
        special, rest = rest[0], rest[1:]
        verb = special
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    resource = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and special != "proxy" else ""
    field_selector = label_selector = ""
    if not name and verb == "get":
        verb = "watch" if truthy(query, "watch") else "list"
    if not name and verb == "delete":
        verb = "deletecollection"
    if verb in {"list", "watch", "deletecollection"}:
        field_selector = query.get("fieldSelector", "")
        label_selector = query.get("labelSelector", "")
        if not name and (selected := _name_from_field_selector(field_selector)):
            name = selected
    return RequestInfo(
        True, path, verb, group, version, namespace, resource, subresource, name, tuple(rest), cluster,
        field_selector, label_selector,
    )  # fmt: skip


def upstream_path(info: RequestInfo) -> str:
    """Rebuild the percent-encoded path for an upstream from the parsed request, never from the raw bytes."""
    trailing = "/" if info.path.endswith("/") and info.path != "/" else ""
    path = info.path.strip("/")
    encoded = path if _PLAIN_PATH.fullmatch(path) else "/".join(quote(segment, safe="") for segment in _split(path))
    return f"/{encoded}{trailing}"
