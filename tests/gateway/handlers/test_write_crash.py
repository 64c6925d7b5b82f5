"""The gateway is killed in the middle of a write; after the restart the log tells the truth, or says it cannot."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.audit.config import AuditConfig
from gateway.audit.log import AuditLog
from gateway.audit.recovery import Intent
from tests.gateway.handlers import crash
from tests.gateway.handlers.write_support import WEB, scope
from tests.support.clock import FakeClock

STATE = "audit.fleetgate.io/state"

EXPECTED: dict[tuple[str, str], str | None] = {
    **{(verb, "before-intent"): None for verb in crash.VERBS},
    ("create", "after-intent"): "not-applied",
    ("update", "after-intent"): "not-applied",
    ("patch", "after-intent"): "not-applied",
    ("delete", "after-intent"): "not-applied",
    ("deletecollection", "after-intent"): "not-applied",
    ("create", "after-apply"): "in-doubt",
    ("update", "after-apply"): "in-doubt",
    ("patch", "after-apply"): "in-doubt",
    ("delete", "after-apply"): "applied",
    ("deletecollection", "after-apply"): "partly-applied",
    ("create", "after-outcome"): "applied",
    ("update", "after-outcome"): "applied",
    ("patch", "after-outcome"): "applied",
    ("delete", "after-outcome"): "applied",
    ("deletecollection", "after-outcome"): "partly-applied",
}
"""What the log says of the request in the end."""


async def run_until_killed(folder: Path, verb: str, point: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.gateway.handlers.crash", str(folder), verb, point
    )
    assert await process.wait() == -signal.SIGKILL


async def restart(folder: Path) -> list[dict[str, Any]]:
    """Open the log as a new process does and return all it holds then."""
    target = crash.load(folder)

    async def read(intent: Intent) -> JsonObject | None:
        return await target.read(scope("GET", WEB), ObjectKey(intent.namespace, intent.name))

    log = await AuditLog.open(folder / "audit", AuditConfig(), now=FakeClock())
    await log.recover(read)
    await log.close()
    return [json.loads(line) for line in (folder / "audit" / "audit.log").read_bytes().splitlines()]


@pytest.mark.parametrize(("verb", "point"), EXPECTED)
async def test_the_log_is_right_after_a_kill(tmp_path: Path, verb: str, point: str) -> None:
    await run_until_killed(tmp_path, verb, point)
    told = [event for event in await restart(tmp_path) if event["auditID"] == "id-1"]
    expected = EXPECTED[verb, point]
    if expected is None:
        assert told == []
        return
    assert told[-1]["stage"] == "ResponseComplete"
    assert told[-1]["annotations"][STATE] == expected
    outcomes = [event for event in told if event["stage"] == "ResponseComplete"]
    assert len(outcomes) == 1
    again = [event for event in await restart(tmp_path) if event["auditID"] == "id-1"]
    assert again == told


async def test_a_collection_tells_object_by_object_what_became_of_it(tmp_path: Path) -> None:
    await run_until_killed(tmp_path, "deletecollection", "after-apply")
    events = await restart(tmp_path)
    children = {
        event["objectRef"]["name"]: event["annotations"][STATE]
        for event in events
        if event["stage"] == "ResponseComplete" and event["auditID"].startswith("id-1.")
    }
    assert children == {"web": "applied", "api": "not-applied"}
    assert [key.name for key in crash.load(tmp_path).objects] == ["api"]
