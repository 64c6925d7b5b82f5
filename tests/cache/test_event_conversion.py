import json

from cache.event_conversion import to_core, to_events_group
from tests.support.objects import event


def test_fields_have_other_names_in_the_events_group():
    core = event(series={"count": 2}, related={"name": "x"}, action="Binding")
    assert json.loads(to_events_group(json.dumps(core).encode())) == {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": core["metadata"],
        "regarding": core["involvedObject"],
        "reason": "Started",
        "note": "Started container main",
        "deprecatedSource": {"component": "kubelet", "host": "n1"},
        "deprecatedFirstTimestamp": "2023-11-14T22:13:20Z",
        "deprecatedLastTimestamp": "2023-11-14T22:13:20Z",
        "deprecatedCount": 1,
        "type": "Normal",
        "eventTime": None,
        "series": {"count": 2},
        "related": {"name": "x"},
        "action": "Binding",
    }


def test_a_reporter_that_is_set_stays():
    core = json.dumps(event(reportingComponent="c", reportingInstance="i")).encode()
    converted = json.loads(to_events_group(core))
    assert (converted["reportingController"], converted["reportingInstance"]) == ("c", "i")
    assert json.loads(to_core(to_events_group(core))) == json.loads(core)
