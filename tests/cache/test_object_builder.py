import json

import pytest

from cache import object_builder
from cache.encoded_object import MalformedObject
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from tests.cache.test_cached_object import RV, built, encoded
from tests.support.objects import pod


def test_what_is_known_of_an_object():
    obj = built(pod("web", "shop", uid="u", rv="7", created=1_700_000_001, labels={"app": "web"}, node="n1"))
    assert (obj.key, obj.namespace, obj.name, obj.original_name) == ("shop/web", "shop", "web", "web")
    assert (obj.cluster, obj.uid, obj.rv, obj.member_rv, obj.created) == ("m1", "u", RV, "7", 1_700_000_001)
    assert obj.labels == {"app": "web"}
    assert obj.fields[0] == "n1"
    assert obj.cells is None
    assert obj.original_key == "shop/web"


def test_what_is_served():
    source = pod("web", rv="7", annotations={"a": "b"}, managedFields=[{"manager": "x"}], finalizers=["f"])
    obj = built(source)
    served = json.loads(obj.raw)
    expected = {key: value for key, value in source.items() if key not in {"kind", "apiVersion"}}
    del expected["metadata"]["managedFields"]
    expected["metadata"]["resourceVersion"] = str(RV)
    expected["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] = "m1"
    assert served == expected
    assert json.loads(obj.metadata) == expected["metadata"]


def test_what_was_never_served_is_not_taken_for_served_bytes():
    raw = built(pod("web", rv="7")).raw
    builder = ObjectBuilder(PODS)
    assert builder.rebuild(raw, "m1", "web", "7").raw == raw
    with pytest.raises(MalformedObject):
        builder.rebuild(raw.replace(b'{"metadata":{', b'{"metadata":{"managedFields":[1],', 1), "m1", "web", "7")


def test_a_bare_object():
    obj = built(b'{"metadata":{"name":"x"}}')
    assert (obj.key, obj.created, obj.labels) == ("/x", 0, {})
    assert json.loads(obj.raw)["metadata"]["name"] == "x"


def test_equal_label_sets_are_kept_once(monkeypatch):
    builder = ObjectBuilder(PODS)
    first, second = (
        builder.build(ObservedObject(encoded(pod(name, labels={"app": "web"}))), "m1", name, RV) for name in "ab"
    )
    assert first.labels is second.labels
    monkeypatch.setattr(object_builder, "_LABEL_SETS_LIMIT", 1)
    other = builder.build(ObservedObject(encoded(pod("c", labels={"app": "db"}))), "m1", "c", RV)
    assert other.labels == {"app": "db"}


@pytest.mark.parametrize("labels", [None, "odd", {"a": 5}])
def test_odd_labels_read_as_none(labels):
    obj = pod()
    obj["metadata"]["labels"] = labels
    assert built(obj).labels == {}
