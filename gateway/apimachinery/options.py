"""The options of a list or watch request, read from its query string.

Follows k8s.io/apimachinery `meta/internalversion` (conversion, defaults, validation), with its error texts. Pure.
resourceVersions are only read here; what they mean is for whoever serves the resource.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.apimachinery.errors import bad_request, field_error, invalid
from gateway.apimachinery.field_selectors import ANY_FIELDS, FieldRequirement, FieldSelector, parse_field_selector
from gateway.apimachinery.integers import parse_integer
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.label_selectors import EVERYTHING, LabelSelector, parse_label_selector
from gateway.apimachinery.schema import GroupResource

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_UNSIGNED = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or watch asks for. The field selector still has the labels of the request (see `translate`)."""

    label_selector: LabelSelector = EVERYTHING
    field_selector: FieldSelector = ANY_FIELDS
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    resource_version_match: str = ""
    watch: bool = False
    allow_watch_bookmarks: bool = False
    send_initial_events: bool | None = None
    timeout_seconds: int | None = None

    def for_name(self, name: str) -> ListOptions:
        """Narrow to one object, as a watch on a path with a name means it. Raises ApiError 400 on a contradiction."""
        if self.field_selector.empty:
            return replace(self, field_selector=FieldSelector((FieldRequirement("metadata.name", "=", name),)))
        if self.field_selector.exact("metadata.name") != name:
            raise bad_request("fieldSelector metadata.name doesn't match requested name")
        return self


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text):
        raise bad_request(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    value = parse_integer(text)
    if not -(2**63) <= value < 2**63:
        raise bad_request(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return value


def _boolean(query: Mapping[str, str], name: str) -> bool | None:
    text = query.get(name)
    return None if text is None else text.lower() not in {"0", "false"}


def parse_list_options(query: Mapping[str, str], *, watch: bool) -> ListOptions:
    """Read list options; `watch` says whether the request is one.

    A watch from no or any version without a resourceVersionMatch gets `send_initial_events`, as kube-apiserver
    defaults it. Raises ApiError 400 for values that cannot be read and 422 for combinations that are not allowed.
    """
    timeout = _integer(query, "timeoutSeconds")
    limit = _integer(query, "limit") or 0
    options = ListOptions(
        label_selector=parse_label_selector(query.get("labelSelector", "")),
        field_selector=parse_field_selector(query.get("fieldSelector", "")),
        limit=max(limit, 0),
        continue_token=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        resource_version_match=query.get("resourceVersionMatch", ""),
        watch=watch,
        allow_watch_bookmarks=_boolean(query, "allowWatchBookmarks") or False,
        send_initial_events=_boolean(query, "sendInitialEvents"),
        timeout_seconds=timeout,
    )
    undecided = options.send_initial_events is None and not options.resource_version_match
    if watch and undecided and options.resource_version in {"", "0"}:
        options = replace(options, send_initial_events=True, resource_version_match=NOT_OLDER_THAN)
    if faults := _watch_faults(options) if watch else _list_faults(options):
        raise invalid("meta.k8s.io", "ListOptions", "", faults)
    return options


def _forbidden(field: str, detail: str) -> dict[str, str]:
    return field_error("FieldValueForbidden", field, f"Forbidden: {detail}")


def _unsupported_match(match: str, supported: str) -> dict[str, str]:
    message = f"Unsupported value: {quote(match)}: supported values: {supported}"
    return field_error("FieldValueNotSupported", "resourceVersionMatch", message)


def _list_faults(options: ListOptions) -> list[dict[str, str]]:
    field = "resourceVersionMatch"
    match = options.resource_version_match
    faults = []
    if match:
        if not options.resource_version:
            faults.append(_forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if options.continue_token:
            faults.append(_forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in {EXACT, NOT_OLDER_THAN}:
            faults.append(_unsupported_match(match, '"Exact", "NotOlderThan", ""'))
        if match == EXACT and options.resource_version == "0":
            detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            faults.append(_forbidden(field, detail))
    if options.send_initial_events is not None:
        faults.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return faults


def _watch_faults(options: ListOptions) -> list[dict[str, str]]:
    field = "resourceVersionMatch"
    match = options.resource_version_match
    faults = []
    if options.send_initial_events is not None and match != NOT_OLDER_THAN:
        detail = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        faults.append(_forbidden(field, detail))
    if match:
        if options.send_initial_events is None:
            detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            faults.append(_forbidden(field, detail))
        if match != NOT_OLDER_THAN:
            faults.append(_unsupported_match(match, '"NotOlderThan"'))
        if options.continue_token:
            faults.append(_forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    return faults


class InvalidRevision(ValueError):
    """A resourceVersion that is not an unsigned 64-bit decimal; the text is the one Kubernetes gives."""


def parse_revision(text: str) -> int:
    """Read a resourceVersion; none and `0` are 0. Raises InvalidRevision for anything that is not a uint64."""
    if not text:
        return 0
    if not _UNSIGNED.fullmatch(text):
        raise InvalidRevision(f"Invalid value: {quote(text)}: strconv.ParseUint: parsing {quote(text)}: invalid syntax")
    value = parse_integer(text)
    if value >= 2**64:
        raise InvalidRevision(
            f"Invalid value: {quote(text)}: strconv.ParseUint: parsing {quote(text)}: value out of range"
        )
    return value


def list_revision(resource_version: str) -> int:
    """Read the resourceVersion of a list or get. Raises ApiError 400 as kube-apiserver does."""
    try:
        return parse_revision(resource_version)
    except InvalidRevision as fault:
        raise bad_request(f"invalid resource version: resourceVersion: {fault}") from None


def watch_revision(resource_version: str, resource: GroupResource) -> int:
    """Read the resourceVersion of a watch. Raises ApiError 422 about the resource as kube-apiserver does."""
    try:
        return parse_revision(resource_version)
    except InvalidRevision as fault:
        causes = [field_error("FieldValueInvalid", "resourceVersion", str(fault))]
        raise invalid(resource.group, resource.resource, "", causes) from None
