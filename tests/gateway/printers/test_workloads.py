import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.object_printer import ObjectPrinter
from gateway.printers.workloads import CONTROLLER_REVISIONS, CRON_JOBS, DAEMON_SETS, DEPLOYMENTS, JOBS
from tests.gateway.printers.goldens import finished, sections

START = "1970-01-01T00:00:00Z"


def cells(printer: ObjectPrinter, obj: JsonObject, now: float = 0) -> dict[str, object]:
    shown = finished(printer.prepare(sections(obj)), now, "x")["cells"]
    return dict(zip((column.name for column in printer.columns), shown, strict=True))


def test_an_object_without_anything_is_shown() -> None:
    shown = cells(DEPLOYMENTS, {})
    assert shown == {
        "Name": "x", "Ready": "0/0", "Up-to-date": 0, "Available": 0, "Age": "<unknown>", "Containers": "",
        "Images": "", "Selector": "<none>",
    }  # fmt: skip
    assert cells(DAEMON_SETS, {})["Node Selector"] == "<none>"


def test_a_job_that_runs_grows_older() -> None:
    running = {"status": {"startTime": START}}
    assert cells(JOBS, running, 30)["Duration"] == "30s"
    assert cells(JOBS, running, 90)["Duration"] == "90s"


def test_a_job_that_is_over_took_as_long_as_it_took() -> None:
    over = {"status": {"startTime": START, "completionTime": "1970-01-01T00:02:05Z"}}
    assert cells(JOBS, over, 9999)["Duration"] == "2m5s"


@pytest.mark.parametrize(
    ("suspend", "shown"), [({"suspend": True}, "True"), ({"suspend": False}, "False"), ({}, "<unset>")]
)
def test_whether_a_cron_job_is_suspended(suspend: JsonObject, shown: str) -> None:
    assert cells(CRON_JOBS, {"spec": suspend})["Suspend"] == shown


def test_a_schedule_that_ran_is_an_age() -> None:
    obj = {"status": {"lastScheduleTime": START, "active": [{}, {}]}}
    shown = cells(CRON_JOBS, obj, 300)
    assert (shown["Last Schedule"], shown["Active"]) == ("5m", 2)


def test_a_revision_of_a_core_kind_shows_no_group() -> None:
    owner = {"apiVersion": "v1", "kind": "ReplicationController", "name": "rc", "controller": True}
    shown = cells(CONTROLLER_REVISIONS, {"metadata": {"ownerReferences": [owner]}})
    assert shown["Controller"] == "replicationcontroller/rc"


def test_an_owner_that_cannot_be_read_is_unknown() -> None:
    owner = {"apiVersion": "a/b/c", "kind": "K", "name": "k", "controller": True}
    shown = cells(CONTROLLER_REVISIONS, {"metadata": {"ownerReferences": [owner]}})
    assert shown["Controller"] == "<unknown>"
