import asyncio
import errno
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.audit.config import AuditConfig
from gateway.audit.event import INTENT, PARENT, STATE, State
from gateway.audit.log import AuditLog
from gateway.audit.recovery import Intent, RecoverySummary
from gateway.request import ANONYMOUS_USER
from tests.gateway.audit.support import NOW, events, record, told
from tests.support.clock import FakeClock

CANARY = "c2VjcmV0LWNhbmFyeQ=="


async def nothing(intent: Intent) -> JsonObject | None:
    return None


async def open_log(folder: Path, config: AuditConfig | None = None) -> AuditLog:
    log = await AuditLog.open(folder, config or AuditConfig(), now=FakeClock(NOW))
    await log.recover(nothing)
    return log


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    log = await open_log(tmp_path)
    yield log
    await log.close()


def disk_full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_write_leaves_an_intent_and_an_outcome_under_one_id(log: AuditLog, tmp_path: Path) -> None:
    filled = record(uid="uid-1", resource_version="7")
    log.keep_object(filled, {"spec": {"replicas": 3}})
    await log.intent([filled])
    (intent,) = told(tmp_path, "id-1")
    assert (intent["stage"], intent["annotations"]) == ("RequestReceived", {INTENT: "true"})
    filled.code = 200
    await log.outcome([filled], State.APPLIED)
    _, outcome = told(tmp_path, "id-1")
    assert (outcome["stage"], outcome["responseStatus"]["code"]) == ("ResponseComplete", 200)
    assert outcome["annotations"] == {STATE: "applied"}
    assert outcome["requestObject"] == {"spec": {"replicas": 3}}


async def test_the_log_tells_when_it_was_started_and_stopped(tmp_path: Path) -> None:
    log = await open_log(tmp_path)
    assert repr(log) == "AuditLog(healthy)"
    await log.close()
    assert [event["annotations"]["audit.fleetgate.io/notice"] for event in events(tmp_path)] == ["started", "stopped"]


async def test_before_it_was_examined_no_write_is_taken(tmp_path: Path) -> None:
    log = await AuditLog.open(tmp_path, AuditConfig(), now=FakeClock(NOW))
    assert log.unhealthy() == "the audit log has not been examined yet"
    with pytest.raises(ApiError) as refused:
        await log.intent([record()])
    assert refused.value.code == 503
    assert refused.value.headers["Retry-After"] == "5"
    with pytest.raises(ApiError, match="nothing was changed"):
        await log.started(record())
    await log.close()


async def test_a_refused_write_is_one_event(log: AuditLog, tmp_path: Path) -> None:
    await log.complete(record(code=403, reason="Forbidden", message="no"))
    (event,) = told(tmp_path, "id-1")
    assert (event["stage"], event["responseStatus"]["code"]) == ("ResponseComplete", 403)


async def test_the_refusal_of_a_stranger_is_left_to_the_access_log(log: AuditLog, tmp_path: Path) -> None:
    await log.complete(record("nobody", code=401, user=None))
    await log.complete(record("anonymous", code=403, user=ANONYMOUS_USER))
    assert told(tmp_path, "nobody") == told(tmp_path, "anonymous") == []


async def test_a_write_with_an_outcome_is_not_told_twice(log: AuditLog, tmp_path: Path) -> None:
    filled = record(code=200)
    await log.intent([filled])
    await log.outcome([filled], State.APPLIED)
    await log.complete(filled)
    assert len(told(tmp_path, "id-1")) == 2


async def test_reads_are_recorded_as_the_policy_says(log: AuditLog, tmp_path: Path) -> None:
    await log.complete(record("plain", "GET", "/api/v1/namespaces/shop/pods", code=200))
    await log.complete(record("secret", "GET", "/api/v1/namespaces/shop/secrets/s", code=200))
    assert told(tmp_path, "plain") == []
    assert told(tmp_path, "secret")[0]["level"] == "Metadata"


async def test_a_connect_is_recorded_before_it_starts_and_when_it_ends(log: AuditLog, tmp_path: Path) -> None:
    stream = record(method="GET", path="/api/v1/namespaces/shop/pods/p/exec", code=101)
    await log.started(stream)
    assert [event["stage"] for event in told(tmp_path, "id-1")] == ["ResponseStarted"]
    await log.complete(stream)
    assert [event["stage"] for event in told(tmp_path, "id-1")] == ["ResponseStarted", "ResponseComplete"]


async def test_no_secret_gets_into_the_log(log: AuditLog, tmp_path: Path) -> None:
    secret = record("secret", "POST", "/api/v1/namespaces/shop/secrets", code=201)
    log.keep_object(secret, {"kind": "Secret", "data": {"password": CANARY}})
    await log.intent([secret])
    await log.outcome([secret], State.APPLIED)
    work = record("nested", "POST", "/apis/apps/v1/namespaces/shop/deployments", code=201)
    log.keep_object(work, {"kind": "Template", "objects": [{"kind": "Secret", "data": {"password": CANARY}}]})
    await log.intent([work])
    await log.outcome([work], State.APPLIED)
    assert CANARY not in (tmp_path / "audit.log").read_text()
    assert told(tmp_path, "secret")[1]["level"] == "Metadata"
    assert told(tmp_path, "nested")[1]["level"] == "Request"


async def test_objects_are_left_out_when_configured_so(tmp_path: Path) -> None:
    log = await open_log(tmp_path, AuditConfig(request_objects=False))
    filled = record()
    log.keep_object(filled, {"spec": {}})
    assert filled.request_object is None
    await log.close()


async def test_what_the_policy_would_not_record_has_an_outcome_once_it_was_announced(
    log: AuditLog, tmp_path: Path
) -> None:
    odd = record(method="POST", path="/apis/authorization.k8s.io/v1/subjectaccessreviews", code=201)
    await log.intent([odd])
    await log.outcome([odd], State.APPLIED)
    assert told(tmp_path, "id-1")[1]["level"] == "Metadata"


class TestFailure:
    async def test_without_an_intent_on_disk_there_is_no_write(
        self, log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filled = record()
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", disk_full)
            for _ in range(2):  # the first finds the failure, the second is refused at once
                with pytest.raises(ApiError) as refused:
                    await log.intent([filled])
                assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "5")
            assert "No space left" in log.unhealthy()
            with pytest.raises(ApiError, match="nothing was changed"):
                await log.started(record("stream"))
        filled.code = 503
        await log.complete(filled)  # what was refused is told once the disk works again
        await log.check()
        assert log.unhealthy() == ""
        assert [event["stage"] for event in told(tmp_path, "id-1")] == ["ResponseComplete"]
        assert told(tmp_path, "stream") == []

    async def test_a_stream_whose_record_fails_does_not_start(
        self, log: AuditLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", disk_full)
            with pytest.raises(ApiError) as refused:
                await log.started(record())
        assert refused.value.code == 503

    async def test_an_outcome_that_cannot_be_recorded_is_an_error_with_the_id_and_is_owed(
        self, log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filled = record(code=200)
        await log.intent([filled])
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", disk_full)
            with pytest.raises(ApiError) as told_client:
                await log.outcome([filled], State.APPLIED)
        assert told_client.value.code == 500
        assert "audit id id-1" in told_client.value.message
        with pytest.raises(ApiError, match="nothing was changed"):
            await log.intent([record("id-2")])
        await log.check()
        assert [event["stage"] for event in told(tmp_path, "id-1")] == ["ResponseComplete"]

    async def test_a_caller_who_stops_waiting_for_its_intent_is_told_as_not_applied(
        self, log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, real = threading.Event(), os.pwritev

        def slow(*arguments: Any) -> int:
            gate.wait()
            return real(*arguments)

        monkeypatch.setattr(os, "pwritev", slow)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await log.intent([record()])
        gate.set()
        await log.check()
        intent, outcome = told(tmp_path, "id-1")
        assert (intent["stage"], outcome["annotations"]) == ("RequestReceived", {STATE: "not-applied"})

    async def test_a_write_in_flight_is_told_whole_when_the_file_is_removed(
        self, log: AuditLog, tmp_path: Path
    ) -> None:
        filled = record(code=200)
        await log.intent([filled])
        (tmp_path / "audit.log").unlink()
        await log.outcome([filled], State.APPLIED)
        assert [event["stage"] for event in told(tmp_path, "id-1")] == ["RequestReceived", "ResponseComplete"]
        assert "was removed or renamed" in json.dumps(events(tmp_path)[0])
        assert log.unhealthy() == ""

    async def test_a_removed_file_is_noticed_by_run_within_its_interval(
        self, log: AuditLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.audit.log.CHECK_INTERVAL", 0.001)
        (tmp_path / "audit.log").unlink()
        async with asyncio.timeout(5):
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(log.run())
                while not (tmp_path / "audit.log").exists():
                    await asyncio.sleep(0)
                watching.cancel()
        assert "was removed or renamed" in json.dumps(events(tmp_path)[0])


class TestRecovery:
    async def leave_open(self, folder: Path, *records: Any) -> None:
        """A process that announced writes and then was gone."""
        log = await open_log(folder)
        await log.intent(list(records))
        await log.close()

    async def test_open_intents_are_closed_by_what_the_objects_prove(self, tmp_path: Path) -> None:
        await self.leave_open(
            tmp_path,
            record("unchanged", uid="u", resource_version="7"),
            record("changed", uid="u", resource_version="6"),
            record("gone", "DELETE", uid="u", resource_version="7", path="/api/v1/namespaces/shop/pods/p"),
            record("unreadable", "PUT"),
        )
        asked = []

        async def read(intent: Intent) -> JsonObject | None:
            asked.append(intent.audit_id)
            if intent.audit_id == "unreadable":
                raise ConnectionError("the store is down")
            return None if intent.verb == "delete" else {"metadata": {"uid": "u", "resourceVersion": "7"}}

        log = await AuditLog.open(tmp_path, AuditConfig(), now=FakeClock(NOW))
        summary = await log.recover(read)
        await log.close()
        assert summary == RecoverySummary(applied=1, not_applied=1, in_doubt=2)
        assert sorted(asked) == ["changed", "gone", "unchanged", "unreadable"]
        states = {audit_id: told(tmp_path, audit_id)[-1]["annotations"][STATE] for audit_id in asked}
        assert states == {
            "unchanged": "not-applied",
            "changed": "in-doubt",
            "gone": "applied",
            "unreadable": "in-doubt",
        }

    async def test_a_collection_is_resolved_by_its_objects(self, tmp_path: Path) -> None:
        collection = record("all", "DELETE", "/api/v1/namespaces/shop/pods")
        children = [
            record(f"all.{n}", "DELETE", f"/api/v1/namespaces/shop/pods/p{n}", uid="u", annotations={PARENT: "all"})
            for n in range(2)
        ]
        await self.leave_open(tmp_path, collection, *children)
        log = await AuditLog.open(tmp_path, AuditConfig(), now=FakeClock(NOW))
        assert await log.recover(nothing) == RecoverySummary(applied=3)
        await log.close()
        assert told(tmp_path, "all")[-1]["annotations"][STATE] == "applied"

    async def test_what_was_closed_stays_closed(self, tmp_path: Path) -> None:
        await self.leave_open(tmp_path, record())
        for expected in (RecoverySummary(in_doubt=1), RecoverySummary()):
            log = await AuditLog.open(tmp_path, AuditConfig(), now=FakeClock(NOW))
            assert await log.recover(nothing) == expected
            await log.close()

    async def test_damage_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "audit.log").write_bytes(b"garbage\n" + b'{"kind":"Eve')
        log = await open_log(tmp_path)
        await log.close()
        text = (tmp_path / "audit.log").read_text()
        assert "cut off 12 bytes of a line that a crash left unfinished" in text
        assert "1 lines of the file before are no audit events" in text
