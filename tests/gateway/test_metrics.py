from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics, Sample
from gateway.request import parse_request_info


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def observe(metrics: Metrics, method: str, path: str, code: int, **query: str) -> None:
    metrics.observe(parse_request_info(method, path, query), code, 0.01)


def resources(metrics: Metrics) -> list[str]:
    return sorted({dict(labels)["resource"] for labels in samples(metrics, "apiserver_request_total")})


def test_strangers_make_no_labels() -> None:
    metrics = Metrics()
    for number in range(50):
        for code in (400, 401, 403, 404, 405, 503):
            observe(metrics, "GET", f"/apis/group{number}.example/v{number}/things{number}/x/sub{number}", code)
            observe(metrics, f"METHOD{number}", f"/path{number}", code)
            observe(metrics, f"METHOD{number}", "/api/v1/pods", code)
    labels = samples(metrics, "apiserver_request_total")
    assert resources(metrics) == [""]
    assert {dict(of)["verb"] for of in labels} == {"get", "other"}
    assert len(labels) < 30


def test_refusals_of_a_resource_that_exists_are_told_apart() -> None:
    metrics = Metrics()
    observe(metrics, "GET", "/api/v1/pods", 200)
    observe(metrics, "GET", "/api/v1/pods", 403)
    observe(metrics, "GET", "/api/v1/secrets", 403)
    assert resources(metrics) == ["", "pods"]


def test_how_long_requests_took() -> None:
    metrics = Metrics()
    observe(metrics, "GET", "/api/v1/namespaces/a/pods/p", 200)
    observe(metrics, "GET", "/api/v1/pods", 200, watch="1")
    counts = samples(metrics, "apiserver_request_duration_seconds_count")
    assert counts == {(("group", ""), ("resource", "pods"), ("verb", "get")): 1.0}


def test_open_requests_are_counted_by_what_they_are() -> None:
    metrics = Metrics()
    watch = parse_request_info("GET", "/api/v1/pods", {"watch": "1"})
    log = parse_request_info("GET", "/api/v1/namespaces/a/pods/p/log", {})
    with metrics.long_running(watch), metrics.long_running(watch), metrics.long_running(log):
        assert samples(metrics, "apiserver_longrunning_requests") == {
            (("kind", "log"),): 1.0,
            (("kind", "watch"),): 2.0,
        }
    assert set(samples(metrics, "apiserver_longrunning_requests").values()) == {0.0}


def test_parts_publish_at_every_scrape() -> None:
    metrics = Metrics()
    ready = {"m1": 1.0, "m2": 0.0}
    metrics.publish(
        lambda: [Sample("fleetgate_ready", "Whether.", value, (("cluster", name),)) for name, value in ready.items()]
    )
    assert samples(metrics, "fleetgate_ready") == {(("cluster", "m1"),): 1.0, (("cluster", "m2"),): 0.0}
    ready["m2"] = 1.0
    del ready["m1"]
    assert samples(metrics, "fleetgate_ready") == {(("cluster", "m2"),): 1.0}


def test_the_longest_stall_stays() -> None:
    metrics = Metrics()
    metrics.observe_loop(0.3, 0.1)
    metrics.observe_loop(0.2, 0.15)
    metrics.observe_loop(0.0, 0.0)
    assert samples(metrics, "fleetgate_event_loop_lag_seconds_count")[()] == 3
    assert samples(metrics, "fleetgate_event_loop_longest_stall_seconds") == {
        (("clock", "wall"),): 0.3,
        (("clock", "cpu"),): 0.15,
    }
