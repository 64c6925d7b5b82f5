from gateway.apimachinery.meta import ObjectKey
from gateway.storage.interface import StoredObject, encode_value

OBJECT = {
    "kind": "ConfigMap",
    "apiVersion": "v1",
    "data": {"a": 'é"'},
    "metadata": {
        "name": "x",
        "resourceVersion": "1",
        "uid": "u",
        "labels": {"l": "m"},
        "ownerReferences": [{"uid": "o"}],
        "finalizers": ["f"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "generation": 3,
    },
}


def test_a_stored_object_has_its_own_revision_and_no_kind() -> None:
    stored = StoredObject.from_value(ObjectKey("ns", "x"), 42, encode_value(OBJECT), 1.5)
    assert stored.raw.startswith(b'{"metadata":{"resourceVersion":"42",')
    decoded = stored.decode()
    assert decoded == {"data": OBJECT["data"], "metadata": {**OBJECT["metadata"], "resourceVersion": "42"}}  # type: ignore[dict-item]  # a JSON object
    assert stored.decode() is not stored.decode()


def test_the_metadata_that_selectors_read() -> None:
    metadata = StoredObject.from_value(ObjectKey("ns", "x"), 42, encode_value(OBJECT), 0).metadata
    assert (metadata.uid, metadata.generation, metadata.labels) == ("u", 3, {"l": "m"})
    assert (metadata.finalizers, metadata.owner_references) == (["f"], [{"uid": "o"}])
    assert metadata.deletion_timestamp == "2026-01-01T00:00:00Z"


def test_the_same_content_under_another_revision() -> None:
    stored = StoredObject.from_value(ObjectKey("ns", "x"), 9, encode_value(OBJECT), 0)
    again = stored.at(1000, 2.0)
    assert again.decode()["metadata"].pop("resourceVersion") == "1000"
    assert again == StoredObject.from_value(ObjectKey("ns", "x"), 1000, encode_value(OBJECT), 2.0)


def test_fields_are_read_once_for_each_reader() -> None:
    stored = StoredObject.from_value(ObjectKey("ns", "x"), 9, encode_value(OBJECT), 0)
    calls: list[str] = []

    def first(entry: StoredObject) -> dict[str, str]:
        calls.append("first")
        return {"a": "1"}

    def second(entry: StoredObject) -> dict[str, str]:
        calls.append("second")
        return {"a": "2"}

    assert [stored.fields(reader)["a"] for reader in (first, first, second, second)] == ["1", "1", "2", "2"]
    assert calls == ["first", "second"]


def test_metadata_of_other_shapes_reads_as_absent() -> None:
    junk = {"name": "x", "uid": 1, "generation": "a", "labels": {"a": None, "b": "c"}, "finalizers": [None, "f"]}
    junk |= {"ownerReferences": [None, {"uid": "o"}], "deletionTimestamp": None}
    metadata = StoredObject.from_value(ObjectKey("ns", "x"), 1, encode_value({"metadata": junk}), 0).metadata
    assert (metadata.uid, metadata.generation, metadata.deletion_timestamp) == ("", 0, "")
    assert (metadata.labels, metadata.finalizers, metadata.owner_references) == ({"b": "c"}, ["f"], [{"uid": "o"}])
