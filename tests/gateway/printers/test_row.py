import msgspec
import pytest

from gateway.apimachinery.duration import human_duration
from gateway.printers.row import Ago, Cell, Slot, UnnamedRow, age_cell, encode_text, finisher, prepare_row
from tests.gateway.printers.goldens import finished

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400
AGES = (0, 120, 600, 3 * HOUR, 8 * HOUR, 2 * DAY, 8 * DAY, 2 * YEAR, 8 * YEAR)
"""Where the form of an age changes."""


@pytest.mark.parametrize(
    "cells",
    [
        [],
        ["a"],
        ["a", 1, 2.5, True, None, ""],
        ['a "quoted" text\n', "ünïcödé", "</script>"],
        ["100%", "%b%s%%", "%"],
    ],
)
def test_cells_are_sent_as_json(cells: list[Cell]) -> None:
    assert finished(prepare_row(cells), 0) == {"cells": cells}


def test_names_are_filled_in_when_the_row_is_sent() -> None:
    row = prepare_row([Slot.NAME, "x", Slot.CLUSTER, Slot.NAME])
    assert finished(row, 0, 'n"1', "member") == {"cells": ['n"1', "x", "member", 'n"1']}
    assert finished(row, 0, "n2") == {"cells": ["n2", "x", "", "n2"]}


def test_a_text_may_look_like_a_blank() -> None:
    cells: list[Cell] = [Slot.NAME, Ago(0.0, "%b (", "% ago)"), Slot.CLUSTER]
    row = prepare_row(cells, [{"message": "99% of %b"}])
    whole = {"cells": ["%b%", "%b (5s% ago)", "%"], "conditions": [{"message": "99% of %b"}]}
    assert finished(row, 5, "%b%", "%") == whole


def test_an_age_is_written_as_kubectl_does() -> None:
    row = prepare_row([Ago(0.0)])
    near = [boundary + by for boundary in AGES for by in (-61.5, -1, -0.5, 0, 0.5, 1, 59, 61, 3599, 3601)]
    for age in [*range(700), *near]:
        assert finished(row, age)["cells"] == [human_duration(age)]


def test_ages_are_counted_when_the_row_is_sent() -> None:
    row = prepare_row([age_cell(100.0), age_cell(40.0, '3 "(', ' ago)"')])
    assert finished(row, 130.0) == {"cells": ["30s", '3 "(90s ago)"']}
    assert finished(row, 700.0) == {"cells": ["10m", '3 "(11m ago)"']}


def test_an_age_at_either_end_keeps_its_separators() -> None:
    assert finished(prepare_row(["a", Ago(0.0)]), 5)["cells"] == ["a", "5s"]
    assert finished(prepare_row([Ago(0.0), "a"]), 5)["cells"] == ["5s", "a"]


def test_no_time_is_an_unknown_age_and_the_epoch_is_a_time() -> None:
    assert age_cell(None) == "<unknown>"
    assert finished(prepare_row([age_cell(0.0)]), 60)["cells"] == ["60s"]


def test_conditions_follow_the_cells() -> None:
    row = prepare_row(["a"], [{"type": "Completed", "status": "True"}])
    assert finished(row, 0) == {"cells": ["a"], "conditions": [{"type": "Completed", "status": "True"}]}


def test_text_is_encoded_as_json() -> None:
    assert msgspec.json.decode(encode_text('a"\\é')) == 'a"\\é'


def test_many_rows_of_one_time_are_those_of_each() -> None:
    cells: list[Cell] = ["n", "x", "100%"]
    rows = [prepare_row([*cells, Ago(float(since), f"{since} (", " ago)"), age_cell(7.0)]) for since in range(5_000)]
    rows += [prepare_row([*cells, age_cell(None)]), *rows[:3]]
    for now in (5_000.0, 9e8):
        assert finisher(now)(rows) == [row.finish(now, b"", b"") for row in rows]


def test_rows_that_wait_for_names_are_refused_together() -> None:
    finish = finisher(0)
    for slot in Slot:
        with pytest.raises(UnnamedRow):
            finish([prepare_row(["a"]), prepare_row([slot, Ago(0.0)])])


@pytest.mark.parametrize("name", ["n", 'n"1', "100%", "%b%%b", "ünïcödé"])
def test_names_may_be_filled_in_before(name: str) -> None:
    cells: list[Cell] = [Slot.NAME, "%b%%", Ago(0.0, "%b (", "% ago)"), Slot.CLUSTER, "%%%", Ago(3.0), Slot.NAME, "%"]
    row = prepare_row(cells, [{"message": "99% of %b"}])
    named = row.named(name, f"{name}-m")
    whole = row.finish(9, encode_text(name), encode_text(f"{name}-m"))
    assert named.finish(9, b'"other"', b'"other"') == whole
    assert finisher(9)([named]) == [whole]
