from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.log_lines import (
    LogOptions,
    ended_run,
    existing_log,
    find_run,
    log_bytes,
    parse_log_options,
)
from tests.gateway.simulation.builders import NOW, at, pod

ENDED = {"startedAt": at(0), "finishedAt": at(12), "exitCode": 3}


def with_state(state: JsonObject, last: JsonObject | None = None) -> JsonObject:
    obj = pod("web-1")
    obj["status"]["containerStatuses"] = [{"name": "c", "state": state, "lastState": last or {}}]
    return obj


RUNNING = with_state({"running": {"startedAt": at(0)}})


def texts(obj: JsonObject, seconds: float, **options: Any) -> list[str]:
    chosen = LogOptions(**options)
    return existing_log(find_run(obj, chosen, "m1"), chosen, NOW + seconds).decode().splitlines()


def test_a_log_begins_with_who_writes_it_and_grows() -> None:
    assert texts(RUNNING, 1) == ["simulated container c of m1/default/web-1 started from nginx"]
    assert len(texts(RUNNING, 26)) == 6
    assert texts(RUNNING, 26)[:3] == texts(RUNNING, 14)
    assert texts(RUNNING, 6)[1].startswith("request=1 ")


def test_two_pods_write_different_lines() -> None:
    other = with_state({"running": {"startedAt": at(0)}})
    other["metadata"]["uid"] = "another"
    assert texts(RUNNING, 60)[1:] != texts(other, 60)[1:]


def test_a_log_is_limited_by_lines_time_and_bytes() -> None:
    assert [line.split()[0] for line in texts(RUNNING, 61, tail_lines=2)] == ["request=11", "request=12"]
    assert texts(RUNNING, 61, tail_lines=0) == []
    assert [line.split()[0] for line in texts(RUNNING, 61, since=NOW + 52)] == ["request=11", "request=12"]
    assert texts(RUNNING, 61, limit_bytes=9) == ["simulated"]


def test_an_old_log_is_rotated() -> None:
    lines = texts(RUNNING, 5 * 20_000 + 1)
    assert len(lines) <= 5002
    assert lines[-1].startswith("request=20000 ")


def test_timestamps_are_those_of_the_lines() -> None:
    options = LogOptions(timestamps=True)
    run = find_run(RUNNING, options, "m1")
    assert log_bytes(run.lines(NOW + 5, NOW + 6), options).startswith(
        at(5).replace("Z", ".000000000Z").encode() + b" r"
    )


def test_the_next_line_is_known() -> None:
    run = find_run(RUNNING, LogOptions(), "m1")
    assert run.next_line(NOW) == NOW + 5
    assert run.next_line(NOW + 5) == NOW + 10
    assert next(iter(run.lines(NOW + 5, run.next_line(NOW + 5)))).time == NOW + 5


def test_a_run_that_ended_says_how() -> None:
    failed = with_state({"terminated": ENDED})
    assert texts(failed, 99)[-1] == "fatal: simulated failure, exit code 3"
    assert len(texts(failed, 99)) == 4
    done = with_state({"terminated": {**ENDED, "exitCode": 0}})
    assert texts(done, 99)[-1] == "work done, exit code 0"


def test_while_a_container_backs_off_its_last_run_is_shown() -> None:
    backing_off = with_state({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": ENDED})
    assert texts(backing_off, 99)[-1] == "fatal: simulated failure, exit code 3"


def test_the_previous_run_is_shown_when_asked_for() -> None:
    restarted = with_state({"running": {"startedAt": at(20)}}, {"terminated": ENDED})
    assert texts(restarted, 21, previous=True)[-1] == "fatal: simulated failure, exit code 3"
    assert len(texts(restarted, 21)) == 1
    with pytest.raises(ApiError, match='previous terminated container "c" in pod "web-1" not found'):
        texts(RUNNING, 1, previous=True)


@pytest.mark.parametrize(
    ("obj", "reason"),
    [(with_state({"waiting": {"reason": "PodInitializing"}}), "PodInitializing"), (pod("web-1"), "ContainerCreating")],
)
def test_a_container_that_waits_to_start_has_no_log(obj: JsonObject, reason: str) -> None:
    with pytest.raises(ApiError) as error:
        texts(obj, 1)
    assert error.value.code == 400
    assert error.value.message == f'container "c" in pod "web-1" is waiting to start: {reason}'


def test_a_run_that_is_followed_learns_of_its_end() -> None:
    run = find_run(RUNNING, LogOptions(), "m1")
    assert ended_run(run, RUNNING) == run
    assert ended_run(run, pod("web-1")) == run
    for later in (
        with_state({"terminated": ENDED}),
        with_state({"running": {"startedAt": at(20)}}, {"terminated": ENDED}),
    ):
        assert ended_run(run, later).finished == NOW + 12
    other = {**ENDED, "startedAt": at(1)}
    assert ended_run(run, with_state({"terminated": other})).finished is None


def test_options_are_read_from_the_query() -> None:
    query = {
        "container": "c",
        "follow": "true",
        "previous": "false",
        "timestamps": "",
        "tailLines": "3",
        "sinceSeconds": "9",
    }
    assert parse_log_options(query, NOW) == LogOptions(
        "c", follow=True, previous=False, timestamps=True, since=NOW - 9, tail_lines=3
    )
    assert parse_log_options({"sinceTime": at(7), "limitBytes": "5"}, NOW) == LogOptions(since=NOW + 7, limit_bytes=5)
    assert parse_log_options({}, NOW) == LogOptions()


@pytest.mark.parametrize(
    "query",
    [{"tailLines": "x"}, {"tailLines": "-1"}, {"limitBytes": "0"}, {"sinceSeconds": "0"}, {"sinceTime": "noon"}],
)
def test_options_without_a_meaning_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as error:
        parse_log_options(query, NOW)
    assert error.value.code == 400
    assert next(iter(query)) in error.value.message
