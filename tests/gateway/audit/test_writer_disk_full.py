"""A disk that is really full, made by the kernel's limit on file sizes in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

_CHILD = """
import asyncio, json, resource, sys
from pathlib import Path
from gateway.apimachinery.errors import ApiError
from gateway.audit.config import AuditConfig
from gateway.audit.event import State
from gateway.audit.log import AuditLog
from tests.gateway.audit.support import NOW, record

async def nothing(intent):
    return None

async def fill(folder):
    log = await AuditLog.open(folder, AuditConfig(), now=lambda: NOW)
    await log.recover(nothing)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    acknowledged, number = [], 0
    while True:
        written = record(f"write-{number}", code=200)
        number += 1
        try:
            await log.intent([written])
            acknowledged.append([written.audit_id, "RequestReceived"])
            await log.outcome([written], State.APPLIED)
            acknowledged.append([written.audit_id, "ResponseComplete"])
        except ApiError as error:
            refused = [written.audit_id, error.code]
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    await log.check()
    still = log.unhealthy()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await log.check()
    await log.intent([record("after")])
    print(json.dumps({"acknowledged": acknowledged, "refused": refused, "still": still, "now": log.unhealthy()}))
    await log.close()

asyncio.run(fill(Path(sys.argv[1])))
"""


def test_what_was_acknowledged_is_there_what_was_refused_is_not_and_the_log_goes_on_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (full,) = tmp_path.glob("audit-*.log")
    before, after = (
        [json.loads(line) for line in path.read_bytes().splitlines()] for path in (full, tmp_path / "audit.log")
    )
    assert len(told["acknowledged"]) > 10
    assert [[event["auditID"], event["stage"]] for event in before[1:]] == told["acknowledged"]
    refused, code = told["refused"]
    owed = [event["stage"] for event in after if event["auditID"] == refused]
    assert owed == {503: [], 500: ["ResponseComplete"]}[code]  # refused before it was done; done and still to be told
    assert "File too large" in told["still"]
    assert told["now"] == ""
    assert after[-2]["auditID"] == "after"
