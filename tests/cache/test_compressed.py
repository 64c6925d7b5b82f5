from hypothesis import given
from hypothesis import strategies as st

from cache.compressed import compress

BYTES = st.binary(max_size=2_000)


@given(BYTES, BYTES)
def test_bytes_come_back_as_they_were(raw, like):
    compressed = compress(raw, like)
    assert compressed.expand() == raw
    assert compressed.size == len(raw)


@given(st.text(min_size=200), BYTES, BYTES)
def test_bytes_like_others_come_back_as_well(text, start, end):
    like = text.encode()
    raw = start + like[: len(like) // 2] + end + like
    assert compress(raw, like).expand() == raw


def test_the_like_of_something_takes_little():
    like = bytes(range(256)) * 20
    assert len(compress(b"begin" + like + b"end", like).data) < len(like) / 20
