import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cache import ordered_objects
from cache.ordered_objects import OrderedObjects, Snapshot
from tests.cache.test_cached_object import built
from tests.support.objects import pod

TEMPLATE = built(pod("x"))


def obj(key):
    namespace, _, name = key.partition("/")
    return TEMPLATE.__class__(
        **{field: getattr(TEMPLATE, field) for field in TEMPLATE.__struct_fields__}
        | {"key": key, "namespace": namespace, "name": name}
    )


keys = st.text(alphabet="ab/-.0", min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(ordered_objects, "_CHUNK", 3)
    monkeypatch.setattr(ordered_objects, "_SHARED", 2)


@example([(True, key) for key in ("0", "a", "/", ".", "b", "00", "0a")], "0", "/")
@example([*((True, key) for key in "abcdefg"), (True, "d"), (False, "g"), (True, "e")], "c", "f")
@example([(True, "a"), (True, "b"), (False, "b"), (False, "b")], "", "b")
@given(st.lists(st.tuples(st.booleans(), keys), max_size=60), keys, keys)
def test_it_behaves_like_a_sorted_map(changes, after, up_to):
    ordered, model = OrderedObjects(), {}
    for put, key in changes:
        if put:
            model[key] = obj(key)
            ordered.put(model[key])
        elif key in model:
            ordered.remove(key)
            del model[key]
        else:
            with pytest.raises(KeyError):
                ordered.remove(key)
    assert len(ordered) == len(model)
    everything = ordered.between("", "\U0010ffff")
    assert [found.key for found in everything] == sorted(model)
    assert all(found is model[found.key] for found in everything)
    wanted = [key for key in sorted(model) if after < key <= up_to]
    assert [found.key for found in ordered.between(after, up_to)] == wanted
    if after <= up_to:
        assert ordered.count(after, up_to) == len(wanted)


def test_namespaces_sort_as_kube_apiserver_sorts_keys():
    ordered = OrderedObjects()
    for key in ("a/x", "a-b/x", "ab/x", "a/y"):
        ordered.put(obj(key))
    assert [found.key for found in ordered.between("", "\U0010ffff")] == ["a-b/x", "a/x", "a/y", "ab/x"]
    assert [found.key for found in ordered.between("a/", "a0")] == ["a/x", "a/y"]


def test_what_was_read_is_a_snapshot():
    ordered = OrderedObjects()
    ordered.put(obj("a/x"))
    snapshot = ordered.between("", "z")
    ordered.remove("a/x")
    assert [found.key for found in snapshot] == ["a/x"]


def numbered(count):
    ordered = OrderedObjects()
    ordered.put_all(obj(f"a/{number:03}") for number in range(count))
    return ordered


@given(
    st.lists(st.tuples(st.sampled_from(["put", "remove", "read"]), st.integers(0, 40)), max_size=60),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_what_was_read_of_many_stays_as_it_was(changes, first, last):
    ordered = numbered(30)
    read = []
    for change, number in changes:
        key = f"a/{number:03}"
        if change == "put":
            ordered.put(obj(key))
        elif change == "remove" and ordered.count(f"a/{number - 1:03}", key):
            ordered.remove(key)
        else:
            after, up_to = (f"a/{end:03}" for end in sorted((first, last)))
            found = ordered.between(after, up_to)
            read.append((found, list(found), [kept for piece in ordered.pieces(after, up_to) for kept in piece]))
    for found, then, pieces in read:
        assert all(one is other for one, other in zip(found, then, strict=True))
        assert all(one is other for one, other in zip(found, pieces, strict=True))


def test_a_snapshot_of_many_is_read_like_a_list():
    found = numbered(30).between("a/004", "a/027")
    assert isinstance(found, Snapshot)
    listed = list(found)
    assert len(found) == len(listed) == 23
    for start in (None, 0, 3, 22, 23, 40, -5):
        for stop in (None, 0, 4, 23, 99, -1):
            for step in (None, 1, 2, 7, 50, -1):
                assert found[start:stop:step] == listed[start:stop:step]
    assert [found[index] for index in range(-23, 23)] == listed * 2
    for outside in (23, -24):
        with pytest.raises(IndexError):
            found[outside]


def test_a_snapshot_of_many_copies_no_chunk_until_it_changes():
    ordered = numbered(30)
    chunks = [id(piece) for piece in ordered._objects]
    before = ordered.between("", "b")
    assert [id(piece) for piece in before._pieces][1:-1] == chunks[1:-1]
    ordered.put(obj("a/010"))
    changed = sum(id(piece) != chunk for piece, chunk in zip(ordered._objects, chunks, strict=True))
    assert changed == 1
    ordered.put(obj("a/010"))
    assert sum(id(piece) != chunk for piece, chunk in zip(ordered._objects, chunks, strict=True)) == 1
