import msgspec
import pytest

from cache.encoded_object import DECODE_ERRORS
from cache.lister_watcher import Expired, Unavailable
from cache.member_answers import Malformed, bookmarked, read_line, read_page, refusal
from cache.observed_object import ObservedObject


@pytest.mark.parametrize(
    ("body", "total"),
    [
        (b'{"metadata":{"resourceVersion":"5"},"items":[{},{}]}', 2),
        (b'{"metadata":{"resourceVersion":"5"},"items":null}', 0),
        (b'{"metadata":{"resourceVersion":"5","continue":"t","remainingItemCount":7},"items":[{},{}]}', 9),
        (b'{"metadata":{"resourceVersion":"5","continue":"t"},"items":[{},{}]}', None),
    ],
)
def test_how_many_objects_a_first_page_speaks_of(body, total):
    assert read_page(body).total == total


@pytest.mark.parametrize(("size", "form"), [(10, dict), (5 << 20, msgspec.Raw)])
def test_a_large_page_of_other_fields_is_left_to_whoever_reads_its_objects(size, form):
    body = b'{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"x"},"data":"%b"}]}' % (b"x" * size)
    (item,) = read_page(body).items
    assert type(item) is form
    assert ObservedObject(item).name == "x"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"metadata":{}}', b'{"items":[]}', b"[" * 10_000])
def test_what_is_no_page(body):
    with pytest.raises(Malformed):
        read_page(body)


def test_lines():
    line = b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"}}}'
    assert (read_line(line).type, bookmarked(line)) == ("BOOKMARK", "7")
    with pytest.raises(DECODE_ERRORS):
        read_line(b'{"type":"BOOKMARK"}')


@pytest.mark.parametrize(("code", "meaning"), [(410, Expired), (500, Unavailable), (0, Unavailable)])
def test_errors(code, meaning):
    error = refusal(b'{"type":"ERROR","object":{"code":%d,"message":"it went wrong"}}' % code)
    assert type(error) is meaning
    assert str(error) == "it went wrong"
