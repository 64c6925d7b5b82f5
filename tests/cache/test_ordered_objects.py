import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cache import ordered_objects
from cache.ordered_objects import OrderedObjects
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
