"""Sizes as they are written on the command line."""

import pytest

from bench.fleet.size import HOT, MEMBERS, SERIES, Size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", [Size(1000, MEMBERS, HOT), Size(1000, MEMBERS, 0)]),
        ("20000x200", [Size(20000, 200, HOT), Size(20000, 200, 0)]),
        ("1000000x10:0", [Size(1000000, 10, 0)]),
        ("5000:all", [Size(5000, MEMBERS, HOT)]),
        ("5000x3:64", [Size(5000, 3, 64)]),
        ("3x3:0", [Size(3, 3, 0)]),
    ],
)
def test_a_size_is_read(text, expected):
    assert Size.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1000x", "1000:", "1000x0", "0", "3x4", "-5", "1000:some", "1e6", " 1000"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is no size"):
        Size.parse(text)


def test_the_series_goes_from_a_thousand_pods_to_a_million_and_to_two_hundred_members():
    sizes = [size for text in SERIES for size in Size.parse(text)]
    assert (min(size.pods for size in sizes), max(size.pods for size in sizes)) == (1000, 1_000_000)
    assert {size.members for size in sizes if size.pods == 20_000} == {1, 20, 200}
    assert len(set(sizes)) == len(sizes)
    # 8 KB each would not fit into most machines.
    assert max(size.pods for size in sizes if size.kept == "hot") == 200_000


def test_how_objects_are_kept_is_told_in_a_word():
    assert [Size(1, 1, megabytes).kept for megabytes in (HOT, 0, 64)] == ["hot", "cold", "64 MB"]
