"""The numbers of several processes as one."""

from gateway.metrics import Metrics, Sample
from gateway.request import parse_request_info
from gateway.workers.summed_metrics import SummedMetrics, measured
from tests.gateway.test_metrics import samples

LIST = parse_request_info("GET", "/api/v1/pods", {})
LISTED = tuple(
    sorted(
        {
            "code": "200", "group": "", "resource": "pods", "scope": "cluster", "subresource": "", "verb": "list",
            "version": "v1",
        }.items()
    )
)  # fmt: skip


def worker(requests: int) -> Metrics:
    metrics = Metrics()
    for _ in range(requests):
        metrics.observe(LIST, 200, 0.002)
    return metrics


def test_what_was_counted_is_added_up() -> None:
    core = SummedMetrics()
    core.publish(lambda: [Sample("fleetgate_x", "X.", 3)])
    core.observe(LIST, 200, 0.1)
    core.report(1, measured(worker(2).registry))
    core.report(1, measured(worker(3).registry))
    core.report(2, measured(worker(10).registry))
    assert samples(core, "apiserver_request_total")[LISTED] == 14
    counts = samples(core, "apiserver_request_duration_seconds_bucket")
    below = {dict(labels)["le"]: value for labels, value in counts.items()}
    assert (below["0.001"], below["0.0025"], below["+Inf"]) == (0, 13, 14)
    assert samples(core, "fleetgate_x") == {(): 3}


def test_a_worker_that_ended_keeps_what_it_counted_and_nothing_of_the_moment() -> None:
    core, ended = SummedMetrics(), worker(5)
    with ended.long_running(LIST):
        core.report(1, measured(ended.registry))
    assert samples(core, "apiserver_longrunning_requests") == {(("kind", "list"),): 1}
    core.end(1)
    core.end(2)
    assert samples(core, "apiserver_request_total")[LISTED] == 5
    assert not samples(core, "apiserver_longrunning_requests")
    core.report(1, measured(worker(1).registry))
    core.end(1)
    assert samples(core, "apiserver_request_total")[LISTED] == 6


def test_of_the_longest_stalls_the_longest_counts() -> None:
    core, other = SummedMetrics(), Metrics()
    core.observe_loop(0.5, 0.1)
    other.observe_loop(0.3, 0.2)
    core.report(1, measured(other.registry))
    stalls = samples(core, "fleetgate_event_loop_longest_stall_seconds")
    assert stalls == {(("clock", "cpu"),): 0.2, (("clock", "wall"),): 0.5}


def test_times_at_which_counting_began_are_not_added_up() -> None:
    core = SummedMetrics()
    first = worker(1)
    core.report(1, measured(first.registry))
    core.report(2, measured(worker(1).registry))
    began = next(iter(samples(first, "apiserver_request_created").values()))
    assert next(iter(samples(core, "apiserver_request_created").values())) == began
