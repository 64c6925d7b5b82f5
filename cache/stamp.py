"""What the gateway writes into an object it serves: its name, its resourceVersion, and where it came from.

Objects are rebuilt structurally, never by searching text: metadata stands first and in it the resourceVersion, so that
both are found again by their place. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cache.encoded_object import NOTHING, decode_sections, encode

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"
ORIGINAL_NAME_ANNOTATION = "fleetgate.io/original-name"

RAW_START = b'{"metadata":'
"""How the bytes of every served object begin."""
REVISION_AT = len(b'{"metadata":{"resourceVersion":"')
"""Where its resourceVersion stands, if it has one."""


class Stamp(msgspec.Struct, frozen=True):
    """What the gateway writes into an object."""

    name: str
    original_name: str
    cluster: str
    rv: int  # 0: none, as in the answer to a dry-run create


def compose(metadata: dict[str, msgspec.Raw], sections: dict[str, msgspec.Raw], stamp: Stamp) -> tuple[bytes, int]:
    """Build the served bytes of an object without managedFields. Returns them and where the metadata ends in them."""
    annotations = _annotations(metadata.get("annotations", NOTHING), stamp)
    stamped: dict[str, Any] = {"resourceVersion": str(stamp.rv)} if stamp.rv else {}
    stamped |= metadata
    if stamp.rv:
        stamped["resourceVersion"] = str(stamp.rv)
    else:
        stamped.pop("resourceVersion", None)
    stamped.pop("managedFields", None)
    stamped["name"] = stamp.name
    if annotations:
        stamped["annotations"] = annotations
    else:
        stamped.pop("annotations", None)
    head = RAW_START + encode(stamped)
    # Joined, because what is encoded in one go is cut to its size from a larger piece of memory, which is then lost.
    rest = [part for name, value in sections.items() for part in (b",", encode(name), b":", value)]
    return b"".join((head, *rest, b"}")), len(head)


def _annotations(encoded: msgspec.Raw, stamp: Stamp) -> dict[str, Any]:
    try:
        annotations: dict[str, Any] = dict(decode_sections(encoded))
    except msgspec.ValidationError:
        annotations = {}
    annotations.pop(ORIGINAL_NAME_ANNOTATION, None)
    annotations.pop(CLUSTER_ANNOTATION, None)
    if stamp.cluster:
        annotations[CLUSTER_ANNOTATION] = stamp.cluster
    if stamp.name != stamp.original_name:
        annotations[ORIGINAL_NAME_ANNOTATION] = stamp.original_name
    return annotations
