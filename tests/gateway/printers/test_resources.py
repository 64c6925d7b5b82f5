import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.resources import NODES, RESOURCE_QUOTAS
from tests.gateway.printers.goldens import finished, sections


@pytest.mark.parametrize(
    ("ready", "cordoned", "shown"),
    [
        ("True", False, "Ready"),
        ("False", False, "NotReady"),
        ("Unknown", True, "NotReady,SchedulingDisabled"),
        (None, False, "Unknown"),
    ],
)
def test_the_status_of_a_node(ready: str | None, cordoned: bool, shown: str) -> None:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    node = {"spec": {"unschedulable": cordoned}, "status": {"conditions": conditions}}
    assert finished(NODES.prepare(sections(node)), 0)["cells"][1] == shown


@pytest.mark.parametrize(
    ("status", "requests", "limits"),
    [
        ({}, "", ""),
        ({"hard": {"pods": "5"}}, "pods: 0/5", ""),
        ({"hard": {"limits": "1", "limits.cpu": "2"}, "used": {"limits.cpu": "1"}}, "limits: 0/1", "limits.cpu: 1/2"),
    ],
)
def test_quotas_are_split_by_requests_and_limits(status: JsonObject, requests: str, limits: str) -> None:
    cells = finished(RESOURCE_QUOTAS.prepare(sections({"status": status})), 0)["cells"]
    assert cells[1:3] == [requests, limits]
