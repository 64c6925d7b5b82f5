from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.events import COLUMNS, prepare_event
from gateway.printers.row import Slot
from tests.gateway.printers.goldens import finished, sections

FIRST, LAST = "1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z"


def cells(event: JsonObject, now: float = 100) -> dict[str, Any]:
    shown = finished(prepare_event(sections(event)), now, "e")["cells"]
    return dict(zip((column.name for column in COLUMNS), shown, strict=True))


def test_an_event_of_which_nothing_is_known() -> None:
    assert cells({}) == {
        "Last Seen": "<unknown>", "Type": "", "Reason": "", "Object": "", "Subobject": "", "Source": "",
        "Message": "", "First Seen": "<unknown>", "Count": 1, "Name": "e",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("times", "first", "last"),
    [
        ({"firstTimestamp": FIRST, "lastTimestamp": LAST}, "100s", "40s"),
        ({"deprecatedFirstTimestamp": FIRST, "deprecatedLastTimestamp": LAST}, "100s", "40s"),
        ({"firstTimestamp": FIRST}, "100s", "100s"),
        ({"eventTime": "1970-01-01T00:00:30.000000Z"}, "70s", "70s"),
        ({"lastTimestamp": LAST}, "<unknown>", "40s"),
        ({"firstTimestamp": FIRST, "series": {"lastObservedTime": "1970-01-01T00:01:30.000000Z"}}, "100s", "10s"),
        ({"firstTimestamp": FIRST, "series": {}}, "100s", "<unknown>"),
    ],
)
def test_when_it_was_seen(times: JsonObject, first: str, last: str) -> None:
    shown = cells(times)
    assert (shown["First Seen"], shown["Last Seen"]) == (first, last)


def test_both_groups_say_the_same() -> None:
    subject = {"kind": "Pod", "name": "web", "fieldPath": "spec"}
    core = {"involvedObject": subject, "message": " m\n", "source": {"component": "c", "host": "h"}, "count": 3}
    new = {"regarding": subject, "note": " m\n", "deprecatedSource": {"component": "c", "host": "h"}}
    assert cells(core) == cells({**new, "deprecatedCount": 3})
    assert cells(core)["Message"] == "m"


def test_the_reporter_stands_in_for_an_absent_source() -> None:
    assert cells({"reportingComponent": "c"})["Source"] == "c"
    assert cells({"reportingController": "c", "reportingInstance": "i"})["Source"] == "c, i"


@pytest.mark.parametrize("broken", [{"count": "many"}, {"series": []}, {"involvedObject": "pod"}])
def test_an_event_that_cannot_be_read_is_still_listed(broken: JsonObject) -> None:
    assert finished(prepare_event(sections(broken)), 0, "e")["cells"] == [*["<unknown>"] * 9, "e"]


def test_a_further_cell_is_put_where_it_belongs() -> None:
    row = prepare_event(sections({"message": "m"}), [(6, Slot.CLUSTER)])
    assert finished(row, 0, "e", "m1")["cells"][5:8] == ["", "m1", "m"]
