import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.autoscalers import AUTOSCALERS
from tests.gateway.printers.goldens import finished, sections


def targets(metrics: list[JsonObject], current: list[JsonObject] | None = None) -> object:
    obj = {"spec": {"metrics": metrics}, "status": {"currentMetrics": current or []}}
    return finished(AUTOSCALERS.prepare(sections(obj)), 0)["cells"][2]


def cpu(percent: int) -> JsonObject:
    return {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": percent}}}


def test_no_metrics_is_none() -> None:
    assert targets([]) == "<none>"


def test_only_two_metrics_are_shown() -> None:
    assert targets([cpu(1), cpu(2)]) == "cpu: <unknown>/1%, cpu: <unknown>/2%"
    assert targets([cpu(1), cpu(2), cpu(3), cpu(4)]) == "cpu: <unknown>/1%, cpu: <unknown>/2% + 2 more..."


@pytest.mark.parametrize(
    ("metric", "shown"),
    [
        ({"type": "Moonphase"}, "<unknown type>"),
        ({"type": "Resource", "resource": {"name": "cpu"}}, "cpu: <unknown>/<auto>"),
        ({"type": "Object", "object": {"target": {"value": "5"}}}, "<unknown>/5"),
    ],
)
def test_targets_that_are_not_usual(metric: JsonObject, shown: str) -> None:
    assert targets([metric]) == shown


def test_what_is_measured_now() -> None:
    current = {"type": "Resource", "resource": {"current": {"averageUtilization": 0}}}
    assert targets([cpu(80)], [current]) == "cpu: 0%/80%"
