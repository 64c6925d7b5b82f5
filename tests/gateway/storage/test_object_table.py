from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import StoredObject
from gateway.storage.object_table import ObjectTable


def stored(namespace: str, name: str, revision: int = 1) -> StoredObject:
    return StoredObject.from_value(ObjectKey(namespace, name), revision, b'"name":"x"}}', 0.0)


def test_objects_are_listed_in_order_and_replaced_in_place() -> None:
    table = ObjectTable()
    for namespace, name in (("b", "1"), ("a", "2"), ("a", "1"), ("a-b", "0")):
        table.put(stored(namespace, name))
    newer = stored("a", "2", 9)
    table.put(newer)
    assert [str(entry.key) for entry in table.list("")] == ["a/1", "a/2", "a-b/0", "b/1"]
    assert table.list("a")[1] is newer
    assert len(table) == 4


def test_a_namespace_is_not_its_prefix() -> None:
    table = ObjectTable()
    for namespace in ("team", "team-a", "team.b", "tea"):
        table.put(stored(namespace, "x"))
    assert [entry.key.namespace for entry in table.list("team")] == ["team"]


def test_a_list_is_a_snapshot() -> None:
    table = ObjectTable()
    table.put(stored("a", "1"))
    before = table.list("")
    table.remove(ObjectKey("a", "1"))
    assert [entry.key.name for entry in before] == ["1"]
    assert table.list("") == []
    assert table.get(ObjectKey("a", "1")) is None
