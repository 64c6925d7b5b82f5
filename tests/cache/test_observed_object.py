import json

import pytest

from cache.encoded_object import Item, MalformedObject
from cache.member_answers import read_line, read_page
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from tests.cache.test_cached_object import RV, built, encoded
from tests.support.objects import pod


def test_managed_fields_are_read_once_and_never_again():
    source = pod("web", managedFields=[{"manager": "x"}], finalizers=["f"])
    observed = ObservedObject(encoded(source))
    del source["metadata"]["managedFields"]
    assert {name: json.loads(bytes(value)) for name, value in observed.metadata.items()} == source["metadata"]


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


ODD = [
    {},
    {"spec": None},
    {"extra": {"a": 1}},
    {"status": "odd", "kind": 5},
    {"metadata": {"name": "x", "labels": None, "managedFields": [{}]}},
    {"spec": {"nodeName": "n1"}},
]


TURNED = dict(reversed(pod("x").items()))


@pytest.mark.parametrize("first", [{}, TURNED])
@pytest.mark.parametrize("more", ODD)
def test_whether_an_object_comes_alone_in_a_list_or_by_a_watch_makes_no_difference(first, more):
    body = encoded({**first, **pod("x", managedFields=[{"manager": "x"}]), **more})
    (listed,) = read_page(b'{"metadata":{"resourceVersion":"5"},"items":[%b]}' % body).items
    (apart, _) = read_page(b'{"metadata":{"resourceVersion":"5"},"items":[%b,7]}' % body).items
    watched = read_line(b'{"type":"ADDED","object":%b}' % body).object
    assert isinstance(listed, Item) is isinstance(watched, Item) is ("extra" not in more)
    told = []
    for form in (body, listed, apart, watched):
        observed = ObservedObject(form)
        obj = ObjectBuilder(PODS).build(observed, "m1", "x", RV)
        told.append((obj.raw, obj.metadata_end, obj.fields, obj.labels, observed.kind, observed.api_version))
    assert told == told[:1] * len(told)


def test_top_level_fields_that_are_not_known_are_served():
    obj = built({"extra": {"a": 1}, **pod("x"), "more": [2]})
    served = json.loads(obj.raw)
    assert (served["extra"], served["more"], served["status"]) == ({"a": 1}, [2], {"phase": "Running"})


def test_the_last_of_equal_fields_counts():
    obj = built(b'{"spec":{"nodeName":"n1"},"metadata":{"name":"a"},"metadata":{"name":"b"},"spec":{"nodeName":"n2"}}')
    assert (obj.name, obj.fields[0], json.loads(obj.raw)["spec"]) == ("b", "n2", {"nodeName": "n2"})
    assert obj.raw.count(b'"spec"') == 1
