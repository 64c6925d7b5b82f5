import json

import pytest

from cache.encoded_object import MalformedObject
from cache.observed_object import ObservedObject
from tests.cache.test_cached_object import built, encoded
from tests.support.objects import pod


def test_managed_fields_are_read_once_and_never_again():
    source = pod("web", managedFields=[{"manager": "x"}], finalizers=["f"])
    observed = ObservedObject(encoded(source))
    del source["metadata"]["managedFields"]
    assert json.loads(bytes(observed.sections["metadata"])) == source["metadata"]
    assert bytes(ObservedObject(encoded(source)).sections["metadata"]) == bytes(observed.sections["metadata"])


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
