import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.line_splitter import LineSplitter, LineTooLong


@given(st.lists(st.binary(max_size=20)), st.integers(1, 7))
def test_lines_come_out_whole_however_they_are_cut(lines, size):
    lines = [line.replace(b"\n", b"") for line in lines]
    stream = b"".join(line + b"\n" for line in lines)
    splitter = LineSplitter()
    found = [line for start in range(0, len(stream), size) for line in splitter.feed(stream[start : start + size])]
    assert found == [line for line in lines if line]
    assert not splitter.unfinished


def test_the_rest_of_a_line_is_known_to_be_missing():
    splitter = LineSplitter()
    assert splitter.feed(b"a\nb") == [b"a"]
    assert splitter.unfinished
    assert splitter.feed(b"") == []
    assert splitter.feed(b"c\n") == [b"bc"]
    assert not splitter.unfinished


@pytest.mark.parametrize("chunks", [[b"12345"], [b"123", b"45"], [b"12345\n"], [b"123", b"45\n"], [b"1\n2\n12345\n"]])
def test_lines_that_are_too_long_are_refused(chunks):
    splitter = LineSplitter(limit=4)
    *first, last = chunks
    for chunk in first:
        splitter.feed(chunk)
    with pytest.raises(LineTooLong):
        splitter.feed(last)


def test_lines_up_to_the_limit_pass():
    assert LineSplitter(limit=4).feed(b"1234\n1234\n") == [b"1234", b"1234"]
