from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.pods import COLUMNS, prepare_pod, prepare_served_pod
from gateway.printers.row import Slot
from tests.gateway.printers.goldens import finished, sections

STARTED = "1970-01-01T00:00:00Z"


def cells(pod: JsonObject, now: float = 0) -> dict[str, Any]:
    shown = finished(prepare_pod(sections(pod)), now, "web")["cells"]
    return dict(zip((column.name for column in COLUMNS), shown, strict=True))


def test_a_pod_of_which_nothing_is_known() -> None:
    assert cells({}) == {
        "Name": "web", "Ready": "0/0", "Status": "", "Restarts": "0", "Age": "<unknown>", "IP": "<none>",
        "Node": "<none>", "Nominated Node": "<none>", "Readiness Gates": "<none>",
    }  # fmt: skip


@pytest.mark.parametrize(("now", "shown"), [(60, "4 (60s ago)"), (300, "4 (5m ago)"), (90000, "4 (25h ago)")])
def test_the_last_restart_grows_older(now: float, shown: str) -> None:
    status = {"name": "c", "restartCount": 4, "lastState": {"terminated": {"finishedAt": STARTED}}}
    assert cells({"status": {"containerStatuses": [status]}}, now)["Restarts"] == shown


def test_an_age_is_counted_to_the_moment_it_is_sent() -> None:
    row = prepare_pod(sections({"metadata": {"creationTimestamp": STARTED}}))
    assert [finished(row, now)["cells"][4] for now in (5, 125)] == ["5s", "2m5s"]


def test_gates_count_the_first_condition_of_their_type() -> None:
    pod = {
        "spec": {"readinessGates": [{"conditionType": "a"}, {"conditionType": "b"}]},
        "status": {"conditions": [{"type": "a", "status": "False"}, {"type": "a", "status": "True"}]},
    }
    assert cells(pod)["Readiness Gates"] == "0/2"


@pytest.mark.parametrize("broken", [{"status": 7}, {"spec": {"containers": "x"}}, {"metadata": []}, {"status": None}])
def test_a_pod_that_cannot_be_read_is_still_listed(broken: JsonObject) -> None:
    assert finished(prepare_pod(sections(broken)), 0, "web")["cells"] == ["web", *["<unknown>"] * 8]


def test_conditions_tell_that_a_pod_is_over() -> None:
    running, failed = (
        finished(prepare_pod(sections({"status": {"phase": phase}})), 0).get("conditions")
        for phase in ("Running", "Failed")
    )
    assert running is None
    assert failed == [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]


def test_a_further_cell_is_put_where_it_belongs() -> None:
    row = prepare_pod(sections({}), [(5, Slot.CLUSTER)])
    assert finished(row, 0, "web", "m1")["cells"][3:7] == ["0", "<unknown>", "m1", "<none>"]


def test_a_pod_that_is_read_in_one_go_shows_its_name_and_member() -> None:
    annotations = b'{"resource.karmada.io/cached-from-cluster":"m%1","other":"x"}'
    row = prepare_served_pod(b'{"metadata":{"name":"100%","annotations":' + annotations + b"}}", 5)
    assert row is not None
    assert finished(row, 0)["cells"][:7] == ["100%", "0/0", "", "0", "<unknown>", "m%1", "<none>"]


@pytest.mark.parametrize(
    "odd",
    [
        *(b"{}", b"[]", b"", b'{"metadata":{}}', b'{"metadata":{"name":null}}', b'{"metadata":{"name":5}}'),
        *(b'{"metadata":{"name":"a"},"status":null}', b'{"metadata":{"name":"a"},"spec":{"containers":"x"}}'),
        b'{"metadata":{"name":"a"}',
    ],
)
def test_what_cannot_be_read_in_one_go_is_left_to_others(odd: bytes) -> None:
    assert prepare_served_pod(odd, 5) is None
