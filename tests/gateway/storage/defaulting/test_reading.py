"""The readers defaults are written with."""

from __future__ import annotations

from typing import Any

from gateway.storage.defaulting.reading import default, objects, part


def test_a_default_replaces_what_is_absent_null_or_an_empty_text_but_not_zero() -> None:
    obj: dict[str, Any] = {"null": None, "empty": "", "zero": 0, "no": False}
    default(obj, null=1, empty=1, zero=1, no=1, absent=1)
    assert obj == {"null": 1, "empty": 1, "zero": 0, "no": False, "absent": 1}


def test_only_objects_are_read_from_lists() -> None:
    assert objects({"l": [{"a": 1}, 2, None]}, "l") == [{"a": 1}]
    assert objects({"l": {"a": 1}}, "l") == []
    assert objects(None, "l") == []


def test_a_part_is_made_where_there_is_none() -> None:
    obj: dict[str, Any] = {"a": {"x": 1}, "b": None}
    assert part(obj, "a") is obj["a"]
    part(obj, "b")["y"] = 1
    assert obj == {"a": {"x": 1}, "b": {"y": 1}}
