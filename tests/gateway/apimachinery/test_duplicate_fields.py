"""Duplicate fields: what is reported of hostile texts, and how much is spelled out for it."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery import duplicate_fields as module
from gateway.apimachinery.duplicate_fields import duplicate_fields
from gateway.apimachinery.strict_path import MAX_PATH, MAX_STRICT_ERRORS, Path


def test_the_order_is_that_of_the_text() -> None:
    text = '{"a":{"x":1,"x":2},"a":[{"y":1,"y":1}],"b":1,"a":{"x":1,"x":3,"z":{},"z":{}}}'
    assert duplicate_fields(text) == [f'duplicate field "{path}"' for path in ("a.x", "a", "a[0].y", "a.z")]


def test_a_document_may_be_a_list() -> None:
    assert duplicate_fields('[{"op":1},{"op":1,"op":2},[[{"a":1,"a":1}]]]') == [
        'duplicate field "[1].op"',
        'duplicate field "[2][0][0].a"',
    ]


def _long_key(count: int) -> str:
    inner = ",".join(f'"a{n}":1,"a{n}":2' for n in range(count))
    return f'{{"{"k" * 100_000}":{{"b":[{{{inner}}}]}}}}'


def _many(count: int) -> str:
    return "{" + ",".join(f'"a{n}":{{}},"a{n}":{{}}' for n in range(count)) + "}"


def _everywhere_the_same(count: int) -> str:
    return "{" + ",".join(['"a":{"b":1,"b":1}'] * count) + "}"


@pytest.mark.parametrize("nasty", [_long_key, _many, _everywhere_the_same])
def test_no_more_paths_are_spelled_out_than_are_reported(nasty, monkeypatch: pytest.MonkeyPatch) -> None:
    spelled: list[str] = []

    class Counted(Path):
        def __str__(self) -> str:
            spelled.append(super().__str__())
            return spelled[-1]

    monkeypatch.setattr(module, "Path", Counted)
    found = duplicate_fields(nasty(20_000))
    assert 0 < len(found) <= len(spelled) <= MAX_STRICT_ERRORS
    assert sum(map(len, found)) <= MAX_STRICT_ERRORS * (MAX_PATH + 50)


def test_a_long_path_is_cut() -> None:
    (found,) = duplicate_fields('{"%s":{"a":1,"a":1}}' % ("k" * 5000))
    assert found == f'duplicate field "{"k" * MAX_PATH}..."'


def test_a_path_shows_all_it_may() -> None:
    path = Path(Path(Path(None, ".spec"), ".containers[3]"), "." + "k" * (MAX_PATH - len("spec.containers[3].")))
    assert str(path) == "spec.containers[3]." + "k" * (MAX_PATH - 19)
    assert len(str(path)) == MAX_PATH
    assert str(Path(path, ".more")) == str(path) + "..."


def _slow(value: object, path: str) -> Iterator[str]:
    """What is to be found, written down as plainly as it can be."""
    if isinstance(value, tuple):
        for index, (key, item) in enumerate(value):
            field = f"{path}.{key}" if path else key
            if key in [name for name, _ in value[:index]]:
                yield f"duplicate field {json.dumps(field)}"
            yield from _slow(item, field)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _slow(item, f"{path}[{index}]")


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "{" + ",".join(f'"{key}":{_text(item)}' for key, item in value) + "}"
    return f"[{','.join(map(_text, value))}]" if isinstance(value, list) else json.dumps(value)


_DOCUMENTS = st.recursive(
    st.sampled_from([1, 2.5, "x", None, True]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(st.tuples(st.sampled_from("abc"), inner), max_size=5).map(tuple)
    ),
    max_leaves=25,
)


@given(_DOCUMENTS)
def test_agrees_with_the_plain_way(document: object) -> None:
    assert duplicate_fields(_text(document)) == list(dict.fromkeys(_slow(document, "")))
