"""Keeps secrets out of the audit log. Pure.

What is sensitive as a whole is not recorded at all (only that it was written, by whom and when); Secrets inside other
objects lose their values.
"""

from __future__ import annotations

from typing import Any

from gateway.request import RequestInfo

SENSITIVE_GROUPS = frozenset({"authentication.k8s.io"})
SENSITIVE = frozenset(
    {
        ("", "serviceaccounts", "token"),
        ("work.karmada.io", "works", ""),  # carries the manifests of Secrets, base64 and all
    }
)

REDACTED = "<redacted>"
_SECRET_FIELDS = frozenset({"data", "stringData"})
_COPIES_OF_THE_OBJECT = "kubectl.kubernetes.io/last-applied-configuration"
_UNRECORDED_METADATA = frozenset({"managedFields"})


def is_sensitive(info: RequestInfo) -> bool:
    """Whether bodies of this resource never reach the audit log."""
    if info.api_group in SENSITIVE_GROUPS or info.resource.endswith("secrets"):
        return True
    resource = (info.api_group, info.resource)
    return (*resource, "") in SENSITIVE or (*resource, info.subresource) in SENSITIVE


def redacted(value: Any) -> Any:
    """Return a copy without the values of Secrets anywhere inside, and without managedFields."""
    if isinstance(value, list):
        return [redacted(item) for item in value]
    if not isinstance(value, dict):
        return value
    secret = isinstance(value.get("kind"), str) and value["kind"].endswith("Secret")
    return {key: _redacted_field(key, item, secret=secret) for key, item in value.items()}


def _redacted_field(key: str, value: Any, *, secret: bool) -> Any:
    if secret and key in _SECRET_FIELDS:
        return dict.fromkeys(value, REDACTED) if isinstance(value, dict) else REDACTED
    if key == "metadata" and isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in _UNRECORDED_METADATA}
        notes = kept.get("annotations")
        if isinstance(notes, dict) and _COPIES_OF_THE_OBJECT in notes:
            kept["annotations"] = {**notes, _COPIES_OF_THE_OBJECT: REDACTED}
        return redacted(kept)
    return redacted(value)
