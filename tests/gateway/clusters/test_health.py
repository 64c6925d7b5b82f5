from gateway.clusters.health import (
    INVALID,
    NOT_REACHABLE,
    NOT_READY,
    PENDING,
    READY,
    ClusterHealth,
    ProbeResult,
    after_probe,
)

WELL = ProbeResult(answered=True, ready=True, version="v1.36.3")
SILENT = ProbeResult(answered=False, ready=False, message="no answer")


def test_before_the_first_probe_a_member_is_worth_trying() -> None:
    health = ClusterHealth()
    assert health.ready is None
    assert health.reason == PENDING
    assert health.reachable


def test_an_answer_makes_a_member_ready_and_known() -> None:
    health = after_probe(ClusterHealth(), WELL, 100.0)
    assert (health.ready, health.reason, health.version, health.last_contact) == (True, READY, "v1.36.3", 100.0)
    assert health.since == 100.0


def test_one_failure_is_bad_luck() -> None:
    well = after_probe(ClusterHealth(), WELL, 100.0)
    doubtful = after_probe(well, SILENT, 105.0)
    assert doubtful.ready
    assert doubtful.reachable
    assert doubtful.failures == 1


def test_two_failures_are_an_outage_that_keeps_what_was_known() -> None:
    well = after_probe(ClusterHealth(), WELL, 100.0)
    down = after_probe(after_probe(well, SILENT, 105.0), SILENT, 106.0)
    assert (down.ready, down.reason, down.message, down.reachable) == (False, NOT_REACHABLE, "no answer", False)
    assert (down.version, down.last_contact, down.since) == ("v1.36.3", 100.0, 106.0)


def test_an_outage_begins_once() -> None:
    down = ClusterHealth()
    for second in range(5):
        down = after_probe(down, SILENT, 100.0 + second)
    assert down.since == 101.0


def test_an_answer_ends_an_outage() -> None:
    down = after_probe(after_probe(ClusterHealth(), SILENT, 1.0), SILENT, 2.0)
    well = after_probe(down, WELL, 3.0)
    assert (well.ready, well.failures, well.message, well.since) == (True, 0, "", 3.0)


def test_a_server_that_answers_and_is_not_ready_is_reachable() -> None:
    result = ProbeResult(answered=True, ready=False, message="its /readyz answers 500")
    health = after_probe(after_probe(ClusterHealth(), WELL, 1.0), result, 2.0)
    assert (health.ready, health.reason, health.version) == (False, NOT_READY, "v1.36.3")
    assert health.reachable
    assert health.last_contact == 2.0


def test_what_cannot_be_used_is_not_worth_trying() -> None:
    assert not ClusterHealth(reason=INVALID).reachable
