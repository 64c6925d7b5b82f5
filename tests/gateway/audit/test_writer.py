import asyncio
import errno
import os
import shutil
import stat
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.audit import writer as writer_module
from gateway.audit.file import AuditFile
from gateway.audit.writer import AuditUnavailable, AuditWriter, Line


def make_writer(folder: Path, *, max_bytes: int = 10_000, max_files: int = 3) -> AuditWriter:
    file, _ = AuditFile.open(folder)
    numbers = iter(range(1000))
    writer = AuditWriter(
        file,
        notice=lambda text: f"# {text}\n".encode(),
        file_name=lambda: f"{next(numbers):03}",
        max_bytes=max_bytes,
        max_files=max_files,
    )
    writer.start()
    return writer


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[AuditWriter]:
    writer = make_writer(tmp_path)
    yield writer
    await writer.close()


def lines(folder: Path) -> list[str]:
    return (folder / "audit.log").read_text().splitlines()


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


async def test_a_line_is_on_disk_when_submit_returns(writer: AuditWriter, tmp_path: Path) -> None:
    await writer.submit([Line(b"one\n"), Line(b"two\n")])
    assert lines(tmp_path) == ["one", "two"]


async def test_lines_keep_the_order_they_were_handed_over_in(writer: AuditWriter, tmp_path: Path) -> None:
    writer.post([Line(b"posted\n")])
    await asyncio.gather(*(writer.submit([Line(f"{number}\n".encode())]) for number in range(200)))
    assert lines(tmp_path) == ["posted", *(str(number) for number in range(200))]


async def test_those_who_wait_share_a_flush(
    writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushes = 0
    gate = threading.Event()
    real = os.pwritev

    def slow(*arguments: Any) -> int:
        nonlocal flushes
        flushes += 1
        gate.wait()
        return real(*arguments)

    monkeypatch.setattr(os, "pwritev", slow)
    async with asyncio.TaskGroup() as group:
        group.create_task(writer.submit([Line(b"0\n")]))
        while not flushes:
            await asyncio.sleep(0)
        for number in range(1, 100):
            group.create_task(writer.submit([Line(f"{number}\n".encode())]))
        await asyncio.sleep(0)
        gate.set()
    assert flushes == 2
    assert len(lines(tmp_path)) == 100


async def test_a_batch_is_bounded(writer: AuditWriter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(writer_module, "BATCH_LIMIT", 2)
    await asyncio.gather(*(writer.submit([Line(b"x\n")]) for _ in range(5)))
    assert lines(tmp_path) == ["x"] * 5


async def test_a_new_file_begins_with_the_intents_still_open(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, max_bytes=55)
    await writer.submit([Line(b"intent a\n", opens="a"), Line(b"intent b\n", opens="b")])
    await writer.submit([Line(b"outcome a, which makes the file full....\n", closes="a")])
    await writer.submit([Line(b"outcome b\n", closes="b")])
    await writer.close()
    assert lines(tmp_path) == ["# continued from the file before", "intent b", "outcome b"]
    assert (tmp_path / "audit-000.log").read_text().startswith("intent a\nintent b\noutcome a")


async def test_only_so_many_finished_files_are_kept(tmp_path: Path) -> None:
    writer = make_writer(tmp_path, max_bytes=1, max_files=2)
    for number in range(5):
        await writer.submit([Line(f"{number}\n".encode())])
    await writer.close()
    assert sorted(path.name for path in tmp_path.glob("audit-*")) == ["audit-003.log", "audit-004.log"]


async def test_a_finished_file_that_cannot_be_removed_does_not_stop_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer(tmp_path, max_bytes=1, max_files=1)
    real_unlink = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith("audit-"):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real_unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    for _ in range(3):
        await writer.submit([Line(b"x\n")])
    assert writer.problem == ""
    await writer.close()


class TestFailure:
    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
    async def test_whoever_waits_is_told_and_the_log_is_closed(
        self, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        monkeypatch.setattr(os, "pwritev", failing(code))
        with pytest.raises(AuditUnavailable, match=os.strerror(code)):
            await writer.submit([Line(b"x\n")])
        assert os.strerror(code) in writer.problem

    async def test_after_a_failed_flush_the_file_is_never_written_to_again(
        self, writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await writer.submit([Line(b"before\n")])
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", failing(errno.EIO))
            with pytest.raises(AuditUnavailable):
                await writer.submit([Line(b"intent\n", opens="a", announces=True)])
        with pytest.raises(AuditUnavailable):  # the disk works again, the file is given up all the same
            await writer.submit([Line(b"intent\n", opens="b", announces=True)])
        await writer.check()
        assert writer.problem == ""
        await writer.submit([Line(b"after\n")])
        assert (tmp_path / "audit-000.log").read_text() == "before\n"
        assert lines(tmp_path) == [
            "# re-opened after: the audit log cannot be written: Input/output error",
            "after",
        ]

    async def test_outcomes_are_owed_and_refused_intents_never_turn_up(
        self, writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await writer.submit([Line(b"intent a\n", opens="a", announces=True)])
        await writer.submit([Line(b"intent b\n", opens="b", announces=True)])
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", failing(errno.ENOSPC))
            for line in (
                Line(b"outcome a\n", closes="a"),
                Line(b"intent c\n", opens="c", announces=True),
                Line(b"denied\n"),
            ):
                with pytest.raises(AuditUnavailable):
                    await writer.submit([line])
            await writer.check()
            assert "re-opening the audit log failed: No space left" in writer.problem
        await writer.check()
        assert lines(tmp_path)[1:] == ["intent b", "outcome a", "denied"]

    async def test_more_than_memory_allows_is_lost_and_counted(
        self, writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer_module, "OWED_LIMIT", 1)
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwritev", failing(errno.ENOSPC))
            with pytest.raises(AuditUnavailable):
                await writer.submit([Line(b"1\n"), Line(b"2\n"), Line(b"3\n")])
        await writer.check()
        first, *owed = lines(tmp_path)
        assert first.endswith("; 2 events were lost meanwhile")
        assert owed == ["1"]

    async def test_a_failed_rotation_closes_the_log_and_loses_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = make_writer(tmp_path, max_bytes=1)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", failing(errno.ENOSPC))
            await writer.submit([Line(b"one\n")])
            await writer.check()
            assert "No space left" in writer.problem
        await writer.check()
        assert writer.problem == ""
        await writer.close()
        assert (tmp_path / "audit-002.log").read_text() == "one\n"


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def rename_and_touch(path: Path) -> None:
    rename(path)
    path.touch()


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def forge(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"forged\n")


def forbid(path: Path) -> None:
    path.chmod(0)


def link(path: Path) -> None:
    rename(path)
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


TAMPERING = [remove, rename, rename_and_touch, truncate, forge, forbid, link, pipe, remove_folder]


@pytest.mark.parametrize("tamper", TAMPERING)
class TestTampering:
    """No answer without a record in the file that lies in the log's place."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "audit"

    @pytest.fixture
    async def writer(self, folder: Path) -> AsyncIterator[AuditWriter]:
        writer = make_writer(folder)
        yield writer
        await writer.close()

    async def test_the_next_lines_begin_a_new_file(
        self, writer: AuditWriter, folder: Path, tamper: Callable[[Path], None]
    ) -> None:
        await writer.submit([Line(b"intent a\n", opens="a", announces=True), Line(b"before\n")])
        tamper(folder / "audit.log")
        await writer.submit([Line(b"intent b\n", opens="b", announces=True)])
        first, *others = lines(folder)
        assert first.startswith("# begun anew after: ")
        assert others == ["intent a", "intent b"]
        assert writer.problem == ""
        await writer.submit([Line(b"outcome a\n", closes="a")])
        assert lines(folder)[1:] == ["intent a", "intent b", "outcome a"]
        assert (folder / "audit.log").lstat().st_mode == stat.S_IFREG | 0o600

    async def test_even_between_their_writing_and_their_answer(
        self, writer: AuditWriter, folder: Path, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Path], None]
    ) -> None:
        real = os.pwritev

        def meanwhile(*arguments: Any) -> int:
            monkeypatch.undo()
            written = real(*arguments)
            tamper(folder / "audit.log")
            return written

        monkeypatch.setattr(os, "pwritev", meanwhile)
        await asyncio.gather(*(writer.submit([Line(f"{number}\n".encode())]) for number in range(5)))
        assert sorted(set(lines(folder)[1:])) == ["0", "1", "2", "3", "4"]

    async def test_without_a_new_file_there_is_no_answer(
        self, writer: AuditWriter, folder: Path, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Path], None]
    ) -> None:
        await writer.submit([Line(b"intent a\n", opens="a", announces=True)])
        tamper(folder / "audit.log")
        with monkeypatch.context() as patched:
            patched.setattr(AuditFile, "replace", failing(errno.ENOSPC))
            with pytest.raises(AuditUnavailable, match="and a new file cannot be begun: No space left"):
                await writer.submit([Line(b"intent b\n", opens="b", announces=True), Line(b"outcome a\n", closes="a")])
            assert "No space left" in writer.problem
        await writer.check()
        assert lines(folder)[1:] == ["outcome a"]
        assert writer.problem == ""

    async def test_it_is_found_while_nothing_is_written(
        self, writer: AuditWriter, folder: Path, caplog: pytest.LogCaptureFixture, tamper: Callable[[Path], None]
    ) -> None:
        await writer.submit([Line(b"intent a\n", opens="a")])
        tamper(folder / "audit.log")
        await writer.check()
        first, *others = lines(folder)
        assert first.startswith("# begun anew after: ")
        assert others == ["intent a"]
        assert "the audit log was tampered with" in caplog.text


async def test_a_second_writer_that_took_the_lost_lock_closes_the_first(writer: AuditWriter, tmp_path: Path) -> None:
    await writer.submit([Line(b"one\n")])
    (tmp_path / "audit.lock").unlink()
    other, _ = AuditFile.open(tmp_path)
    with pytest.raises(AuditUnavailable, match="another process writes the audit log"):
        await writer.submit([Line(b"two\n", announces=True)])
    other.close()


async def test_a_file_that_cannot_be_examined_counts_as_tampered_with(
    writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", failing(errno.EIO))
        with pytest.raises(AuditUnavailable, match="the audit log cannot be examined: Input/output error"):
            await writer.submit([Line(b"one\n", announces=True)])
    await writer.check()
    assert (writer.problem, lines(tmp_path)[1:]) == ("", [])


async def test_closing_writes_what_was_posted(tmp_path: Path) -> None:
    writer = make_writer(tmp_path)
    writer.post([Line(b"last\n")])
    await writer.close()
    assert lines(tmp_path) == ["last"]


async def test_whoever_stopped_waiting_is_no_trouble(
    writer: AuditWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await writer.submit([Line(b"one\n")])
    await writer.submit([Line(b"two\n")])
    assert lines(tmp_path) == ["one", "two"]


async def test_a_look_at_the_file_waits_for_the_lines_before_it(writer: AuditWriter, tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(writer.submit([Line(b"x\n")]))
            group.create_task(writer.check())
    assert writer.problem == ""
    assert len(lines(tmp_path)) == 50
