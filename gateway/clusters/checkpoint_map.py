"""The ConfigMap in which a replica says how far it has read the members: what it is called and what stands in it."""

from __future__ import annotations

import base64
import secrets
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from cache.checkpoints import Checkpoint, Published
from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject

NAME = "fleetgate-checkpoints-"
"""Followed by the slot."""
HOLDER = "fleetgate.io/holder"
"""The replica that writes it; empty once it has ended."""
RENEWED = "fleetgate.io/renewed"
"""When it was written last, in seconds since the epoch."""
CONTESTED = "fleetgate.io/contested"
"""When another replica was last known to have the same slot."""
DATA = "checkpoints"
FORMAT = 1
_LIMIT = 512 * 1024
"""Bytes; etcd takes three times as much."""
_LONGEST = 16 * 1024 * 1024
"""Bytes, unpacked: a few kilobytes could stand for gigabytes."""


class _Content(msgspec.Struct):
    format: int
    kinds: dict[str, Published]


_decoder = msgspec.json.Decoder(_Content)


def encode(kinds: Mapping[str, Published]) -> str:
    """What stands in a ConfigMap; of all kinds the oldest checkpoints are left out where it would become too long."""
    kept = dict(kinds)
    while True:
        content = base64.b64encode(zlib.compress(msgspec.json.encode(_Content(FORMAT, kept)), 1)).decode()
        if len(content) <= _LIMIT:
            return content
        kept = {kind: Published(said.through, _newer_half(said.checkpoints)) for kind, said in kept.items()}
        if not any(said.checkpoints for said in kept.values()):
            return content


def _newer_half(checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    return checkpoints[(len(checkpoints) + 1) // 2 :]


def decode(item: JsonObject) -> Mapping[str, Published]:
    """What a ConfigMap says of each kind; nothing where it is not ours, or of another format."""
    try:
        text = item["binaryData"][DATA]
        unpacker = zlib.decompressobj()
        content = _decoder.decode(unpacker.decompress(base64.b64decode(text), _LONGEST))
    except (KeyError, TypeError, ValueError, zlib.error, msgspec.MsgspecError):
        return {}
    return content.kinds if content.format == FORMAT else {}


def seconds(item: JsonObject, annotation: str) -> float:
    """The time that an annotation tells, 0 where it tells none."""
    try:
        return float(meta.annotations(item).get(annotation, "0"))
    except ValueError:
        return 0.0


def holder_name(path: Path) -> str:
    """What this replica calls itself from run to run, kept in a file. Raises OSError when it cannot be kept."""
    try:
        if name := path.read_text().strip():
            return name
    except FileNotFoundError:
        pass
    name = secrets.token_hex(8)
    path.write_text(f"{name}\n")
    return name
