"""Tolerant readers of metadata."""

from gateway.apimachinery import meta

OBJ = {
    "metadata": {
        "name": "x", "namespace": "a", "uid": "u", "resourceVersion": "7", "deletionTimestamp": "t",
        "labels": {"k": "v", "n": 1}, "annotations": {"a": "b"}, "finalizers": ["f", 2],
        "ownerReferences": [{"uid": "o"}, "no"],
    },
    "spec": {"replicas": 3},
}  # fmt: skip


def test_readers():
    assert (meta.name(OBJ), meta.namespace(OBJ), meta.uid(OBJ)) == ("x", "a", "u")
    assert (meta.resource_version(OBJ), meta.deletion_timestamp(OBJ)) == ("7", "t")
    assert meta.key(OBJ) == meta.ObjectKey("a", "x")
    assert meta.labels(OBJ) == {"k": "v"}
    assert meta.annotations(OBJ) == {"a": "b"}
    assert meta.finalizers(OBJ) == ["f"]
    assert meta.owner_references(OBJ) == [{"uid": "o"}]
    assert meta.field(OBJ, "spec", "replicas") == 3


def test_wrong_shapes_read_as_absent():
    broken = {"metadata": {"name": 1, "labels": [], "finalizers": {}, "ownerReferences": 5}}
    assert meta.name(broken) == ""
    assert meta.labels(broken) == {}
    assert meta.finalizers(broken) == []
    assert meta.owner_references(broken) == []
    assert meta.name({"metadata": []}) == ""
    assert meta.field(OBJ, "spec", "replicas", "deeper") is None


def test_key_text():
    assert str(meta.ObjectKey("a", "x")) == "a/x"
    assert str(meta.ObjectKey("", "x")) == "x"
