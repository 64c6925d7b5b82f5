import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cache.test_cached_object import RV, built
from tests.support.objects import pod


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


def test_without_a_version_none_is_served():
    assert "resourceVersion" not in json.loads(built(pod(), rv=0).metadata)


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
