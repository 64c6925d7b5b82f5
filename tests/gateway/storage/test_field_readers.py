from cache.resource_kind import ResourceKind
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.storage.field_readers import as_text, kind_reader, own_labels, path_reader, value_at
from gateway.storage.interface import StoredObject, encode_value

NAMES = {"metadata.name": "x", "metadata.namespace": "ns"}


def stored(**content: object) -> StoredObject:
    value = encode_value({"metadata": {"name": "x"}, **content})
    return StoredObject.from_value(ObjectKey("ns", "x"), 1, value, 0)


def test_scalars_read_as_go_prints_them() -> None:
    assert [as_text(value) for value in (None, True, False, 3, "a")] == ["", "true", "false", "3", "a"]


def test_a_path_ends_where_there_is_no_object() -> None:
    assert value_at({"a": {"b": 1}}, ("a", "b")) == 1
    assert value_at({"a": [1]}, ("a", "b")) is None
    assert value_at({}, ("a", "b")) is None


def test_fields_at_paths() -> None:
    read = path_reader({"type": ("type",), "spec.off": ("spec", "off")})
    assert read(stored(type="Opaque")) == {**NAMES, "type": "Opaque", "spec.off": ""}
    assert read(stored(spec={"off": True})) == {**NAMES, "type": "", "spec.off": "true"}


def test_fields_are_those_of_the_cross_cluster_cache() -> None:
    read = kind_reader(ResourceKind.generic(GroupVersionResource("batch", "v1", "jobs"), "Job"))
    assert read(stored(status={"succeeded": 2})) == {**NAMES, "status.successful": "2"}
    assert read(stored()) == {**NAMES, "status.successful": "0"}
    names_only = kind_reader(ResourceKind.generic(GroupVersionResource("", "v1", "configmaps"), "ConfigMap"))
    assert names_only(stored(type="x")) == NAMES


def test_labels_of_a_resource_include_name_and_namespace() -> None:
    assert own_labels("type") == {
        "metadata.name": "metadata.name",
        "metadata.namespace": "metadata.namespace",
        "type": "type",
    }
