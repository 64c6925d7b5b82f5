import asyncio

import pytest

from gateway.apimachinery.errors import ApiError, internal_error
from gateway.storage.controllers import work_loop
from gateway.storage.controllers.work_loop import WorkLoop
from gateway.storage.interface import StorageClosed, StorageError


async def run_until(loop: WorkLoop[str], done: asyncio.Event) -> None:
    task = asyncio.get_running_loop().create_task(loop.run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_waits_is_done_once_and_in_order() -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def process(item: str) -> None:
        seen.append(item)
        if item == "last":
            done.set()

    loop = WorkLoop("test", process)
    for item in ("b", "a", "b", "last"):
        loop.add(item)
    await run_until(loop, done)
    assert seen == ["b", "a", "last"]


@pytest.mark.parametrize("error", [internal_error("no"), StorageError("disk full"), ApiError(409, "Conflict", "no")])
async def test_what_fails_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_loop, "RETRY_SECONDS", 0.0)
    done = asyncio.Event()
    tries: list[str] = []

    async def process(item: str) -> None:
        tries.append(item)
        if len(tries) < 3:
            raise error
        done.set()

    loop = WorkLoop("test", process)
    loop.add("x")
    await run_until(loop, done)
    assert tries == ["x", "x", "x"]


async def test_a_closed_store_ends_the_work() -> None:
    async def process(item: str) -> None:
        raise StorageClosed("closed")

    loop = WorkLoop("test", process)
    loop.add("x")
    await asyncio.wait_for(loop.run(), 5)


async def test_what_cannot_be_processed_is_logged_and_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def process(item: str) -> None:
        seen.append(item)
        if item == "junk":
            raise KeyError(item)
        done.set()

    loop = WorkLoop("test", process)
    for item in ("junk", "last"):
        loop.add(item)
    await run_until(loop, done)
    assert seen == ["junk", "last"]
    assert [record.message for record in caplog.records] == ["test of junk is not possible"]
