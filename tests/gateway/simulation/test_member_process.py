"""Members as child processes: real ones, because what is tested is how they begin and end."""

import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from gateway.simulation.member_process import DemoError, MemberProcess
from gateway.storage.file_lock import FileLock
from tests.gateway.simulation.served import until
from tests.support.processes import is_alive


async def test_a_member_serves_until_it_is_stopped(tmp_path: Path) -> None:
    member = MemberProcess("member1", 1, tmp_path / "data" / "members")
    assert member.pid == 0
    await member.stop()
    await member.start()
    assert member.url.startswith("https://127.0.0.1:")
    assert is_alive(member.pid)
    for folder in (tmp_path / "data", tmp_path / "data" / "members", member.data_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
    await member.stop()
    assert await member.wait() == 0
    assert shlex.split(member.command_line)[1:3] == ["-m", "gateway.simulation.member"]


async def test_a_frozen_member_is_stopped_all_the_same(tmp_path: Path) -> None:
    member = MemberProcess("member1", 1, tmp_path)
    await member.start()
    os.kill(member.pid, signal.SIGSTOP)
    await member.stop()
    assert await member.wait() == -signal.SIGKILL


async def test_a_member_that_cannot_start_says_why(tmp_path: Path) -> None:
    member = MemberProcess("member1", 1, tmp_path)
    member.data_dir.mkdir()
    lock = FileLock(member.data_dir / "storage.db")
    with pytest.raises(DemoError, match=r"^member1: the store .* is in use by another process"):
        await member.start()
    lock.release()
    assert await member.wait() == 1


async def test_waiting_for_what_was_never_started_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        await MemberProcess("member1", 1, tmp_path).wait()


PARENT = """
import asyncio, os, sys
from pathlib import Path
from gateway.simulation.member_process import MemberProcess

async def main():
    member = MemberProcess("member1", 1, Path(sys.argv[1]))
    await member.start()
    print(member.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_a_member_does_not_outlive_a_demo_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not is_alive(pid)

    await until(gone)
