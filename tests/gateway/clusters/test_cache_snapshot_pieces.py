"""Pieces of a snapshot: what they come to, and that tidying them up changes nothing of that."""

import random

import pytest

from cache.saved_state import SavedChanges, SavedKind, SavedObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters import cache_snapshot_pieces as pieces
from gateway.clusters.cache_snapshot_file import SnapshotFile
from gateway.clusters.cache_snapshot_pieces import Piece, Replay, UnreadablePiece, decode, encode, tidied

PODS = GroupVersionResource("", "v1", "pods")


def record(key, rv, added=0, size=0):
    raw = b'{"metadata":{"resourceVersion":"%d","filler":"%s"}}' % (rv, b"x" * size)
    return SavedObject(key, "m1", key, str(rv), added, raw)


def changes(position, *, objects=(), tombstones=(), gone=(), whole=False, count=0, horizon=0):
    state = SavedKind(position, horizon, [], [], objects, tombstones)
    return SavedChanges(PODS, state, gone, whole, count, position)


def replayed(told, horizon=0):
    replay = Replay()
    for piece in told:
        replay.take(piece)
    return replay.objects, replay.after(horizon)


def test_a_piece_is_read_as_it_was_written():
    piece = Piece([record("a", 1, 7)], ["b"], [record("c", 2)])
    buffer = bytearray()
    assert decode(encode(piece, buffer)) == piece
    assert decode(encode(Piece([], ["b"], []), buffer)) == Piece([], ["b"], []), "what it held before is not in the way"


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff\xff\xff\x7f\0", b"text" * 10, encode(Piece([], [], []), bytearray())[:-1]]
)
def test_other_bytes_are_refused(data):
    with pytest.raises(UnreadablePiece):
        decode(data)


def test_the_later_pieces_prevail():
    first = Piece([], [], [record("a", 1, 1), record("b", 2, 2)])
    second = Piece([record("b", 4)], ["b"], [record("a", 3)])
    objects, tombstones = replayed([first, second])
    assert objects == {"a": record("a", 3, added=1)}
    assert tombstones == [record("b", 4, added=2)]
    assert replayed([first, second], horizon=4)[1] == []


def test_what_came_anew_is_known_since_then():
    first = Piece([], [], [record("a", 1, 1)])
    objects, tombstones = replayed([first, Piece([record("a", 2)], [], [record("a", 3, 3)])])
    assert objects == {"a": record("a", 3, added=3)}
    assert tombstones == [record("a", 2, added=1)]
    gone = Piece([record("a", 2)], ["a"], [])
    assert replayed([first, gone, Piece([], [], [record("a", 3)])])[0] == {"a": record("a", 3, added=0)}


def test_a_write_comes_in_pieces_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 1_000)
    objects = [record(f"o{number}", 100 + number, size=300) for number in range(10)]
    tombstones = [record(f"t{number}", 1 + number, size=300) for number in range(10)]
    parts = list(pieces.parted(changes(1, objects=objects, tombstones=tombstones, gone=["a", "b"])))
    assert all(len(part.objects) <= 3 and len(part.buried) <= 3 for part in parts)
    assert [obj for part in parts for obj in part.objects] == objects
    assert [tombstone for part in parts for tombstone in part.buried] == tombstones
    (goes,) = [number for number, part in enumerate(parts) if part.gone]
    assert not any(part.objects for part in parts[:goes])
    assert not any(part.buried for part in parts[goes + 1 :])
    assert list(pieces.parted(changes(1))) == []


@pytest.mark.parametrize("seed", range(20))
def test_tidying_up_changes_nothing_but_the_number_of_records(monkeypatch, seed):
    monkeypatch.setattr(pieces, "_PIECE_BYTES", 500)
    chance = random.Random(seed)
    told: list[Piece] = []
    rv = 0
    for _ in range(40):
        held = set(replayed(told)[0])
        buried, gone, objects = [], [], []
        for key in chance.sample("abcdefgh", 3):
            rv += 1
            ends = key in held and chance.random() < 0.4
            stands = not ends or chance.random() < 0.5
            if ends:
                buried.append(record(key, rv))
            if stands:
                rv += 1
                objects.append(record(key, rv, added=rv if ends or key not in held else 0))
            else:
                gone.append(key)
        told.append(Piece(buried, gone, objects))
        if chance.random() < 0.1:
            told = list(tidied(told, told, 0))
    horizon = rv // 2
    tidy = list(tidied(told, told, horizon))
    assert replayed(tidy, horizon) == replayed(told, horizon)
    objects, tombstones = replayed(told, horizon)
    assert sum(piece.records for piece in tidy) == len(objects) + len(tombstones)
    assert list(tidied(tidy, tidy, horizon)) == tidy


def kept(file):
    """How many records its pieces have, and what they come to."""
    rows = file._connection.execute("SELECT data FROM pieces ORDER BY id").fetchall()
    saved = file.read()[PODS]
    return sum(decode(data).records for (data,) in rows), {obj.key: int(obj.member_rv) for obj in saved.objects}


def test_a_file_does_not_grow_with_what_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.clusters.cache_snapshot_file._SPARE", 10)
    file = SnapshotFile(tmp_path / "cache.sqlite", 0)
    keys = [f"p{number}" for number in range(20)]
    for turn in range(1, 50):
        file.write([changes(turn, objects=[record(key, turn, turn) for key in keys], count=20)])
        records, objects = kept(file)
        assert objects == dict.fromkeys(keys, turn)
        assert records <= 2 * 20 + 10 + 20
    file.close()
    again = SnapshotFile(tmp_path / "cache.sqlite", 0)
    assert kept(again)[1] == dict.fromkeys(keys, 49)
    again.close()


def test_nothing_is_gone_through_while_everything_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.clusters.cache_snapshot_file._SPARE", 10)
    monkeypatch.setattr(SnapshotFile, "_tidy_up", None)
    file = SnapshotFile(tmp_path / "cache.sqlite", 0)
    for turn in range(1, 20):
        file.write([changes(turn, objects=[record(f"p{turn}-{n}", turn, turn) for n in range(20)], count=20 * turn)])
    assert len(kept(file)[1]) == 380
    file.close()


def test_a_whole_state_takes_the_place_of_all_pieces(tmp_path):
    file = SnapshotFile(tmp_path / "cache.sqlite", 0)
    file.write([changes(1, objects=[record("a", 1), record("b", 1)], count=2)])
    file.write([changes(2, objects=[record("b", 2)], whole=True, count=1)])
    assert kept(file) == (1, {"b": 2})
    file.close()
