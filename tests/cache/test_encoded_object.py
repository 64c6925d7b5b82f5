import pytest

from cache.encoded_object import as_utf8, is_utf8, lingers


@pytest.mark.parametrize(("body", "well"), [(b"a", True), ("é".encode(), True), (b"\xff", False), (b"a\xc3", False)])
def test_what_is_utf8(body, well):
    assert is_utf8(body) is well
    assert (as_utf8(body) is body) is well
    assert is_utf8(as_utf8(body))


@pytest.mark.parametrize(
    ("metadata", "waited_for"),
    [({}, False), ({"deletionTimestamp": b"null", "finalizers": b'["f"]'}, False),
     ({"deletionTimestamp": b'"now"'}, False), ({"deletionTimestamp": b'"now"', "finalizers": b"[]"}, False),
     ({"deletionTimestamp": b'"now"', "deletionGracePeriodSeconds": b"0"}, False),
     ({"deletionTimestamp": b'"now"', "deletionGracePeriodSeconds": b"30"}, True),
     ({"deletionTimestamp": b'"now"', "deletionGracePeriodSeconds": b"0", "finalizers": b'["f"]'}, True)],
)  # fmt: skip
def test_what_lives_on_after_its_deletion(metadata, waited_for):
    assert lingers(metadata) is waited_for
