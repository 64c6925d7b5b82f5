"""The table of a series: its order, what is compared, what goes to JSON and comes back."""

import json
from dataclasses import fields, replace

import pytest

from bench.fleet.figures import Figures
from bench.fleet.report import COLUMNS, document, sorted_sizes, steps, text, trials_of
from bench.fleet.size import HOT, Size

FIGURES = Figures(*(1 for _ in fields(Figures)))
SMALL, LARGE, WIDE = Size(1000, 4, 0), Size(200_000, 4, 0), Size(200_000, 20, 0)
HOT_SMALL, HOT_LARGE = Size(1000, 4, HOT), Size(200_000, 4, HOT)


def with_memory(each):
    return replace(FIGURES, memory_each=float(each))


def row(table, beginning):
    return next(line.split() for line in table.splitlines() if line.split()[:3] == beginning)


def test_uncompressed_fleets_come_first_then_small_ones():
    assert sorted_sizes([WIDE, LARGE, HOT_LARGE, SMALL, HOT_SMALL]) == [HOT_SMALL, HOT_LARGE, SMALL, LARGE, WIDE]


def test_the_smallest_fleet_is_compared_with_the_largest_and_few_members_with_many():
    found = list(steps([WIDE, LARGE, HOT_LARGE, SMALL, HOT_SMALL]))
    assert found == [(HOT_SMALL, HOT_LARGE), (SMALL, WIDE), (LARGE, WIDE)]


def test_what_is_kept_otherwise_is_not_compared():
    assert list(steps([HOT_SMALL, LARGE])) == []
    assert list(steps([])) == []


def test_a_row_has_every_column():
    table = text({SMALL: with_memory(7960)})
    cells = row(table, ["1000", "4", "cold"])
    assert len(cells) == 3 + len(COLUMNS)
    assert cells[3] == "7.96"


def test_growth_is_told_as_a_ratio():
    table = text({SMALL: with_memory(8000), LARGE: with_memory(2000)})
    grown = next(line.split() for line in table.splitlines() if line.split()[:4] == ["1000", "in", "4", "200000"])
    assert grown[6:8] == ["cold", "0.25"]


def test_growth_from_nothing_is_no_number():
    table = text({SMALL: replace(FIGURES, list_cpu_each_gb=0.0), LARGE: FIGURES})
    grown = next(line.split() for line in table.splitlines() if line.split()[:4] == ["1000", "in", "4", "200000"])
    assert "-" in grown


@pytest.mark.parametrize(
    ("size", "each", "verdict"),
    [
        (LARGE, 2000, "RSS for each of 200000 Pods, cold: 2.00 KB, goal <= 2 KB: met"),
        (LARGE, 2001, "RSS for each of 200000 Pods, cold: 2.00 KB, goal <= 2 KB: MISSED"),
        (HOT_LARGE, 9500, "RSS for each of 200000 Pods, hot: 9.50 KB, goal <= 9 KB: MISSED"),
        (SMALL, 9500, None),  # what every gateway needs is no matter of its Pods
        (Size(200_000, 4, 64), 9500, None),
    ],
)
def test_goals_are_those_of_large_fleets(size, each, verdict):
    verdicts = [line for line in text({size: with_memory(each)}).splitlines() if "goal" in line]
    assert verdicts == ([verdict] if verdict else [])


def test_what_is_written_as_json_comes_back():
    trials = {SMALL: FIGURES, HOT_LARGE: with_memory(8308)}
    content = json.loads(json.dumps(document(trials, {"time": "now"})))
    assert content["time"] == "now"
    assert trials_of(content) == trials


def test_json_of_another_version_is_refused():
    with pytest.raises(TypeError):
        trials_of({"trials": [{"size": {"pods": 1, "members": 1, "megabytes": 0}, "figures": {"speed": 1}}]})
