"""Objects and deletions as a snapshot file keeps them: in compressed pieces, of which the later ones prevail. Pure.

A piece holds what one write had to tell, or a part of it. Nothing is looked up when it is written, and objects that are
alike are compressed together; what has been replaced is left out when the pieces are gone through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import lz4.block
import msgspec

from cache.saved_state import SavedChanges, SavedObject

_PIECE_BYTES = 256 * 1024
"""Put together in one call, which keeps the event loop from the interpreter: about 0.1 ms."""


class UnreadablePiece(ValueError):
    """Bytes that are no piece; the text says why."""


class Piece(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """In this order: what was deleted, where nothing is left, and what stands there from then on."""

    buried: list[SavedObject]
    gone: list[str]
    objects: list[SavedObject]

    @property
    def records(self) -> int:
        """How much it holds."""
        return len(self.buried) + len(self.gone) + len(self.objects)


_decoder = msgspec.msgpack.Decoder(Piece)
_encoder = msgspec.msgpack.Encoder()


def encode(piece: Piece, buffer: bytearray) -> bytes:
    """The bytes of a piece. They are put together in the buffer, for memory that was used before costs less."""
    _encoder.encode_into(piece, buffer)
    packed: bytes = lz4.block.compress(buffer)
    return packed


def decode(data: bytes) -> Piece:
    """The piece of which these are the bytes. Raises UnreadablePiece."""
    try:
        return _decoder.decode(lz4.block.decompress(data))
    except (lz4.block.LZ4BlockError, msgspec.MsgspecError, TypeError, ValueError, MemoryError) as fault:
        raise UnreadablePiece(f"not a piece of a snapshot: {fault}") from None


def parted(change: SavedChanges) -> Iterator[Piece]:
    """What one write tells, in pieces of a bounded size."""
    buried = ((True, record) for record in change.state.tombstones)
    objects = ((False, record) for record in change.state.objects)
    return _filled(chain(buried, objects), change.gone)


def _filled(told: Iterable[tuple[bool, SavedObject]], gone: Iterable[str] = ()) -> Iterator[Piece]:
    """Deletions (True) and objects in pieces of a bounded size; `gone` comes between these and those."""
    piece, size = Piece([], [], []), 0
    goes = iter(gone)
    for is_buried, record in told:
        if is_buried:
            piece.buried.append(record)
        else:
            piece.gone.extend(goes)  # all of them with the first object, and none with any other
            piece.objects.append(record)
        size += len(record.raw)
        if size >= _PIECE_BYTES:
            yield piece
            piece, size = Piece([], [], []), 0
    piece.gone.extend(goes)
    if piece.records:
        yield piece


class Replay:
    """What pieces come to, one after the other."""

    def __init__(self) -> None:
        """Nothing as yet."""
        self.objects: dict[str, SavedObject] = {}
        self.tombstones: list[SavedObject] = []

    def take(self, piece: Piece) -> None:
        """Go on by one piece. `added` 0 stands for what is known from the pieces before."""
        objects = self.objects
        self.tombstones += [_since(record, objects.get(record.key)) for record in piece.buried]
        for key in piece.gone:
            objects.pop(key, None)
        for record in piece.objects:
            objects[record.key] = record if record.added else _since(record, objects.get(record.key))

    def after(self, horizon: int) -> list[SavedObject]:
        """The deletions of a greater version than that. Raises one of DECODE_ERRORS or ValueError for odd bytes."""
        return [record for record in self.tombstones if _version(record) > horizon]


def _since(record: SavedObject, known: SavedObject | None) -> SavedObject:
    if record.added or known is None:
        return record
    return msgspec.structs.replace(record, added=known.added)


def tidied(pieces: Iterable[Piece], again: Iterable[Piece], horizon: int) -> Iterator[Piece]:
    """The same in fewer pieces, without what was replaced or lies before the horizon.

    They are gone through twice, `again` for the second time, so that they need not be held all at once.
    """
    last: dict[str, int] = {}  # in which piece that is told which holds of a key
    for number, piece in enumerate(pieces):
        for key in piece.gone:
            last.pop(key, None)
        last.update((record.key, number) for record in piece.objects)
    yield from _filled(chain.from_iterable(_held(last, again, horizon)))


def _held(last: dict[str, int], pieces: Iterable[Piece], horizon: int) -> Iterator[list[tuple[bool, SavedObject]]]:
    """Of each piece what still holds: deletions (True) and objects, with what is known of them from before."""
    added: dict[str, int] = {}
    for number, piece in enumerate(pieces):
        held = [(True, _known(record, added)) for record in piece.buried if _version(record) > horizon]
        for key in piece.gone:
            added.pop(key, None)
        for record in piece.objects:
            record = _known(record, added)
            added[record.key] = record.added
            if last.get(record.key) == number:
                held.append((False, record))
        yield held


def _known(record: SavedObject, added: dict[str, int]) -> SavedObject:
    since = 0 if record.added else added.get(record.key, 0)
    return msgspec.structs.replace(record, added=since) if since else record


class _Metadata(msgspec.Struct, gc=False, rename={"version": "resourceVersion"}):
    version: str


class _Versioned(msgspec.Struct, gc=False):
    metadata: _Metadata


_version_decoder = msgspec.json.Decoder(_Versioned)


def _version(record: SavedObject) -> int:
    return int(_version_decoder.decode(record.raw).metadata.version)
