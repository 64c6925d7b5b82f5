"""An object's bytes, compressed by those of an object like it. Pure.

Pods of one workload differ in a tenth of their bytes. What is compressed holds on to the bytes it was compressed by:
they stay in memory as long as anything needs them, and are shared by many.
"""

from __future__ import annotations

import lz4.block
import msgspec


class Compressed(msgspec.Struct, frozen=True, gc=False):
    """Compressed bytes, and those they were compressed by."""

    like: bytes
    data: bytes

    @property
    def size(self) -> int:
        """The length of what was compressed."""
        return int.from_bytes(self.data[:4], "little")  # lz4 puts it in front

    def expand(self) -> bytes:
        """What was compressed."""
        expanded: bytes = lz4.block.decompress(self.data, dict=self.like)
        return expanded


def compress(raw: bytes, like: bytes) -> Compressed:
    """Compress bytes by others that are like them."""
    return Compressed(like, lz4.block.compress(raw, dict=like))
