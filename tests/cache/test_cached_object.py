import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache import cached_object
from cache.cached_object import MalformedObject, ObjectBuilder, ObservedObject
from cache.resource_kind import PODS
from tests.support.objects import pod

RV = 1_700_000_000_000_000


def encoded(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


def built(obj, *, cluster="m1", name=None, rv=RV, renderer=None):
    observed = ObservedObject(encoded(obj) if isinstance(obj, dict) else obj)
    return ObjectBuilder(PODS, renderer).build(observed, cluster, name or observed.name, rv)


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


def test_managed_fields_are_read_once_and_never_again():
    source = pod("web", managedFields=[{"manager": "x"}], finalizers=["f"])
    observed = ObservedObject(encoded(source))
    del source["metadata"]["managedFields"]
    assert json.loads(bytes(observed.sections["metadata"])) == source["metadata"]
    assert bytes(ObservedObject(encoded(source)).sections["metadata"]) == bytes(observed.sections["metadata"])


def test_what_was_never_served_is_not_taken_for_served_bytes():
    raw = built(pod("web", rv="7")).raw
    builder = ObjectBuilder(PODS)
    assert builder.rebuild(raw, "m1", "web", "7").raw == raw
    with pytest.raises(MalformedObject):
        builder.rebuild(raw.replace(b'{"metadata":{', b'{"metadata":{"managedFields":[1],', 1), "m1", "web", "7")


def test_an_object_of_the_store_is_not_annotated():
    assert "annotations" not in json.loads(built(pod(), cluster="").metadata)
    assert "annotations" not in json.loads(built(pod(annotations={}), cluster="").metadata)
    assert json.loads(built(pod(annotations={"a": "b"}), cluster="").metadata)["annotations"] == {"a": "b"}


def test_a_qualified_name_tells_the_original():
    obj = built(pod("web"), name="web.m1")
    metadata = json.loads(obj.metadata)
    assert (obj.key, obj.original_key, metadata["name"]) == ("default/web.m1", "default/web", "web.m1")
    assert metadata["annotations"]["fleetgate.io/original-name"] == "web"


def test_members_cannot_forge_where_an_object_comes_from():
    forged = {"resource.karmada.io/cached-from-cluster": "m9", "fleetgate.io/original-name": "x"}
    annotations = json.loads(built(pod(annotations=forged)).metadata)["annotations"]
    assert annotations == {"resource.karmada.io/cached-from-cluster": "m1"}


@pytest.mark.parametrize("annotations", [None, "odd", []])
def test_odd_annotations_are_replaced(annotations):
    metadata = json.loads(built(pod(annotations=annotations)).metadata)
    assert metadata["annotations"] == {"resource.karmada.io/cached-from-cluster": "m1"}


def test_text_that_looks_like_a_version_is_left_alone():
    tricky = {"a": '"resourceVersion":"7"', "resourceVersion": "7"}
    metadata = json.loads(built(pod(rv="7", annotations=tricky, labels={"resourceVersion": "7"})).metadata)
    assert metadata["resourceVersion"] == str(RV)
    assert metadata["annotations"]["a"] == '"resourceVersion":"7"'
    assert metadata["annotations"]["resourceVersion"] == "7"
    assert metadata["labels"] == {"resourceVersion": "7"}


@pytest.mark.parametrize("rv", [RV + 1, 5, 10**17])
def test_another_version_of_the_same_state(rv):
    obj = built(pod())
    other = obj.at_revision(rv)
    assert other.rv == rv
    assert json.loads(other.raw) == {
        **json.loads(obj.raw),
        "metadata": {**json.loads(obj.metadata), "resourceVersion": str(rv)},
    }
    assert json.loads(other.metadata)["resourceVersion"] == str(rv)
    assert json.loads(obj.metadata)["resourceVersion"] == str(RV)


def test_renaming_there_and_back():
    obj = built(pod("web", labels={"a": "b"}))
    renamed = obj.renamed("web.m1", RV + 1)
    assert (renamed.key, renamed.name, renamed.rv, renamed.labels) == ("default/web.m1", "web.m1", RV + 1, obj.labels)
    assert json.loads(renamed.metadata)["annotations"]["fleetgate.io/original-name"] == "web"
    back = renamed.renamed("web", RV)
    assert json.loads(back.raw) == json.loads(obj.raw)
    assert back.key == obj.key


def test_without_a_version_none_is_served():
    assert "resourceVersion" not in json.loads(built(pod(), rv=0).metadata)


def test_a_bare_object():
    obj = built(b'{"metadata":{"name":"x"}}')
    assert (obj.key, obj.created, obj.labels) == ("/x", 0, {})
    assert json.loads(obj.raw)["metadata"]["name"] == "x"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"{}", b'{"metadata":[]}', b'{"metadata":{"name":5}}', b'{"metadata":{"name":""}}',
     b'{"metadata":{"name":"x","uid":{}}}',
     b'{"a":' + b"[" * 10**5 + b"]" * 10**5 + b"}"],
)  # fmt: skip
def test_what_is_no_object_is_refused(body):
    with pytest.raises(MalformedObject):
        ObservedObject(body)


def test_bytes_that_are_not_utf8_are_repaired():
    body = b'{"metadata":{"name":"x","labels":{"a":"\xff"}},"spec":{"b":"\xfe"}}'
    obj = built(body)
    served = json.loads(obj.raw)
    assert served["spec"]["b"] == "�"
    assert json.loads(obj.metadata) == served["metadata"]
    assert obj.labels == {"a": "�"}
    assert built(b'{"metadata":{"name":"\xff"}}').name == "�"
    fine = built('{"metadata":{"name":"x"},"spec":{"b":"é"}}'.encode())
    assert json.loads(fine.raw)["spec"]["b"] == "é"


def test_equal_label_sets_are_kept_once(monkeypatch):
    builder = ObjectBuilder(PODS)
    first, second = (
        builder.build(ObservedObject(encoded(pod(name, labels={"app": "web"}))), "m1", name, RV) for name in "ab"
    )
    assert first.labels is second.labels
    monkeypatch.setattr(cached_object, "_LABEL_SETS_LIMIT", 1)
    other = builder.build(ObservedObject(encoded(pod("c", labels={"app": "db"}))), "m1", "c", RV)
    assert other.labels == {"app": "db"}


@pytest.mark.parametrize("labels", [None, "odd", {"a": 5}])
def test_odd_labels_read_as_none(labels):
    obj = pod()
    obj["metadata"]["labels"] = labels
    assert built(obj).labels == {}


def test_cells_are_rendered_once_from_the_encoded_sections_as_they_are_served():
    asked = []

    def render(sections):
        asked.append(json.loads(bytes(sections["metadata"])))
        return sorted(sections), bytes(sections["status"])

    obj = built(pod(), renderer=render)
    assert asked == []
    assert obj.cells == obj.cells == (["metadata", "spec", "status"], b'{"phase":"Running"}')
    assert asked == [json.loads(obj.metadata)]


def test_a_renderer_that_fails_costs_only_the_cells(caplog):
    def fail(sections):
        raise KeyError("x")

    assert built(pod(), renderer=fail).cells is None
    assert "cannot render the cells of Pod default/web" in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(), json_values, max_size=5),
    st.dictionaries(st.text(), json_values, max_size=5),
    st.dictionaries(st.text(), st.text(), max_size=3),
)
def test_everything_else_of_an_object_survives(sections, metadata, annotations):
    source = {**sections, "metadata": {**metadata, "name": "x", "annotations": annotations}}
    for name in ("namespace", "uid", "resourceVersion", "creationTimestamp"):
        source["metadata"].pop(name, None)
    source.pop("kind", None)
    source.pop("apiVersion", None)
    obj = built(source, cluster="m1")
    served = json.loads(obj.raw)
    expected = json.loads(json.dumps(source))
    expected["metadata"].pop("managedFields", None)
    expected["metadata"]["resourceVersion"] = str(RV)
    expected["metadata"]["annotations"].pop("fleetgate.io/original-name", None)
    expected["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"] = "m1"
    assert served == expected
