"""What the gateway writes into an object it serves: its name, its resourceVersion, and where it came from.

Objects are rebuilt structurally, never by searching text: metadata stands first and in it the resourceVersion, so that
both are found again by their place. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cache.encoded_object import NOTHING, encode
from cache.field_values import Sections

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"
ORIGINAL_NAME_ANNOTATION = "fleetgate.io/original-name"

RAW_START = b'{"metadata":'
"""How the bytes of every served object begin."""
REVISION_AT = len(b'{"metadata":{"resourceVersion":"')
"""Where its resourceVersion stands, if it has one."""
_annotations_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Stamp(msgspec.Struct, frozen=True):
    """What the gateway writes into an object."""

    name: str
    original_name: str
    cluster: str
    rv: int  # 0: none, as in the answer to a dry-run create


def compose(metadata: Sections, sections: Sections, stamp: Stamp) -> tuple[bytes, int]:
    """Build the served bytes of an object without managedFields. Returns them and where the metadata ends in them.

    `sections` are its other top-level fields.
    """
    stamped: dict[str, Any] = {"resourceVersion": "", **metadata, "name": stamp.name}
    if stamp.rv:
        stamped["resourceVersion"] = str(stamp.rv)
    else:
        del stamped["resourceVersion"]
    if annotations := _annotations(metadata.get("annotations", NOTHING), stamp):
        stamped["annotations"] = annotations
    else:
        stamped.pop("annotations", None)
    head = encode(stamped)
    # Joined, because what is encoded in one go is cut to its size from a larger piece of memory, which is then lost.
    parts: list[bytes | msgspec.Raw] = [RAW_START, head]
    for name, value in sections.items():
        parts += (_OPENINGS.get(name) or _opening(name), value)
    parts.append(b"}")
    return b"".join(parts), len(RAW_START) + len(head)


def _opening(name: str) -> bytes:
    """What stands before the value of a field that is not the first."""
    return b"," + encode(name) + b":"


_OPENINGS = {name: _opening(name) for name in ("spec", "status")}


def _annotations(encoded: msgspec.Raw, stamp: Stamp) -> dict[str, Any]:
    try:
        annotations = _annotations_decoder.decode(encoded)
    except msgspec.ValidationError:
        annotations = {}
    annotations.pop(ORIGINAL_NAME_ANNOTATION, None)
    annotations.pop(CLUSTER_ANNOTATION, None)
    if stamp.cluster:
        annotations[CLUSTER_ANNOTATION] = stamp.cluster
    if stamp.name != stamp.original_name:
        annotations[ORIGINAL_NAME_ANNOTATION] = stamp.original_name
    return annotations
