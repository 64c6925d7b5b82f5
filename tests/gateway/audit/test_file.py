import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.file import AuditFile, AuditInUse, AuditUnusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def file(folder: Path) -> Iterator[AuditFile]:
    opened, _ = AuditFile.open(folder)
    yield opened
    opened.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_only_we_may_read_it_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        file, torn = AuditFile.open(folder)
    finally:
        os.umask(before)
    file.close()
    assert (mode(folder), mode(folder / "audit.log"), mode(folder / "audit.lock")) == (0o700, 0o600, 0o600)
    assert torn == b""


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS])
def test_what_cannot_be_written_durably_in_one_call_is_in_two(
    file: AuditFile, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    flushed: list[int] = []
    monkeypatch.setattr(os, "pwritev", refused)
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    file.append(b"one\n")
    assert (file.path.read_bytes(), len(flushed)) == (b"one\n", 1)


def test_what_is_written_in_part_is_written_to_its_end_and_flushed(
    file: AuditFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, flushed = os.pwritev, list[int]()
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, *rest: real(fd, (buffers[0][:2],), *rest))
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    file.append(b"one\n")
    file.append(b"two\n")
    assert (file.path.read_bytes(), file.tampering(), len(flushed)) == (b"one\ntwo\n", "", 2)


def test_what_was_appended_is_there_after_opening_again(folder: Path) -> None:
    file, _ = AuditFile.open(folder)
    file.append(b"one\n")
    file.append(b"two\n")
    file.close()
    file, torn = AuditFile.open(folder)
    assert (file.size, torn) == (8, b"")
    assert file.path.read_bytes() == b"one\ntwo\n"
    assert repr(file) == f"AuditFile({folder}/audit.log, 8 bytes)"
    file.close()


def test_a_second_writer_is_refused_even_from_another_process(folder: Path, file: AuditFile) -> None:
    code = "import sys; from pathlib import Path; from gateway.audit.file import *; AuditFile.open(Path(sys.argv[1]))"
    result = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "AuditInUse: another process writes the audit log" in result.stderr
    with pytest.raises(AuditInUse):
        AuditFile.open(folder)


@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\ntwo\n", b"x" * 70_000 + b"\n"])
@pytest.mark.parametrize("tail", [b'{"kind":"Ev', b"y" * 140_000])
def test_a_torn_tail_is_cut_off_and_returned(folder: Path, whole: bytes, tail: bytes) -> None:
    folder.mkdir()
    (folder / "audit.log").write_bytes(whole + tail)
    file, torn = AuditFile.open(folder)
    assert torn == tail
    file.append(b"next\n")
    assert file.path.read_bytes() == whole + b"next\n"
    file.close()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder"])
def test_something_else_in_its_place_is_refused_in_plain_words(folder: Path, kind: str) -> None:
    folder.mkdir()
    path = folder / "audit.log"
    if kind == "symlink":
        path.symlink_to("/etc/passwd")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(AuditUnusable, match="move it away"):
        AuditFile.open(folder)
    path.rename(folder / "away")
    AuditFile.open(folder)[0].close()


def test_a_crash_between_the_two_renames_of_a_new_file_loses_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "audit.log.new").write_bytes(b"carried\n")
    file, _ = AuditFile.open(folder)
    assert file.path.read_bytes() == b"carried\n"
    file.close()


def test_a_new_file_that_was_never_taken_into_use_is_dropped(folder: Path) -> None:
    folder.mkdir()
    (folder / "audit.log").write_bytes(b"one\n")
    (folder / "audit.log.new").write_bytes(b"half")
    file, _ = AuditFile.open(folder)
    assert file.path.read_bytes() == b"one\n"
    assert not (folder / "audit.log.new").exists()
    file.close()


class TestTampering:
    def test_nothing_was_done(self, file: AuditFile) -> None:
        file.append(b"one\n")
        assert file.tampering() == ""

    def test_unlinked(self, file: AuditFile) -> None:
        file.path.unlink()
        assert file.tampering().endswith("was removed or renamed")

    def test_renamed(self, file: AuditFile) -> None:
        file.path.rename(file.path.with_name("elsewhere"))
        assert file.tampering().endswith("was removed or renamed")

    def test_replaced_by_a_symlink_to_itself(self, file: AuditFile) -> None:
        moved = file.path.with_name("elsewhere")
        file.path.rename(moved)
        file.path.symlink_to(moved)
        assert file.tampering().endswith("was replaced")

    def test_truncated(self, file: AuditFile) -> None:
        file.append(b"one\n")
        os.truncate(file.path, 1)
        assert file.tampering().endswith("was truncated from 4 to 1 bytes")

    def test_written_to_by_somebody_else(self, file: AuditFile) -> None:
        file.append(b"one\n")
        with file.path.open("ab") as other:
            other.write(b"forged\n")
        file.append(b"two\n")
        assert file.tampering() == f"somebody else wrote 7 bytes to {file.path}"

    @pytest.mark.parametrize("replaced", [False, True])
    def test_the_lock(self, folder: Path, file: AuditFile, replaced: bool) -> None:
        (folder / "audit.lock").unlink()
        if replaced:
            (folder / "audit.lock").touch()
        assert file.tampering() == f"{folder}/audit.lock was removed or replaced"

    def test_permissions(self, file: AuditFile) -> None:
        file.path.chmod(0)
        assert "permissions" in file.tampering()

    def test_the_kernel_is_asked_no_more_than_twice(
        self, folder: Path, file: AuditFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Every flush waits for the answers, and for the interpreter after each of them."""
        asked: list[object] = []

        def asking(real: Callable[[Any], os.stat_result]) -> Callable[[Any], os.stat_result]:
            def ask(what: object) -> os.stat_result:
                asked.append(what)
                return real(what)

            return ask

        for name in ("stat", "lstat", "fstat"):
            monkeypatch.setattr(os, name, asking(getattr(os, name)))
        file.append(b"one\n")
        assert file.tampering() == ""
        assert asked == [file.path, folder / "audit.lock"]


class TestReplace:
    def test_the_old_file_stays_whole_under_another_name(self, folder: Path, file: AuditFile) -> None:
        file.append(b"one\n")
        file.replace(b"head\n", "2023")
        file.append(b"two\n")
        assert (folder / "audit-2023.log").read_bytes() == b"one\n"
        assert file.path.read_bytes() == b"head\ntwo\n"
        assert mode(file.path) == 0o600
        assert file.tampering() == ""
        assert list(file.finished()) == [folder / "audit-2023.log"]

    def test_a_name_is_never_used_twice(self, folder: Path, file: AuditFile) -> None:
        for _ in range(3):
            file.replace(b"", "2023")
        assert [path.name for path in file.finished()] == ["audit-2023-1.log", "audit-2023-2.log", "audit-2023.log"]

    def test_whatever_lies_in_the_place_is_moved_aside_unread(self, folder: Path, file: AuditFile) -> None:
        file.path.unlink()
        file.path.symlink_to("/etc/passwd")
        file.replace(b"head\n", "2023")
        assert (folder / "audit-2023.log").is_symlink()
        assert file.path.read_bytes() == b"head\n"

    def test_after_removal_there_is_nothing_to_move(self, file: AuditFile) -> None:
        file.path.unlink()
        file.replace(b"head\n", "2023")
        assert list(file.finished()) == []

    def test_what_a_failed_append_left_is_taken_back(
        self, folder: Path, file: AuditFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.append(b"one\n")
        real_write = os.write
        monkeypatch.setattr(os, "pwritev", lambda fd, data, *_: real_write(fd, data[0][:2]) and _disk_full())
        with pytest.raises(OSError, match="No space left"):
            file.append(b"two\n")
        monkeypatch.undo()
        assert file.path.read_bytes() == b"one\ntw"
        file.replace(b"head\n", "2023")
        assert (folder / "audit-2023.log").read_bytes() == b"one\n"

    def test_what_somebody_else_wrote_is_kept(self, folder: Path, file: AuditFile) -> None:
        file.append(b"one\n")
        with file.path.open("ab") as other:
            other.write(b"forged\n")
        file.replace(b"head\n", "2023")
        assert (folder / "audit-2023.log").read_bytes() == b"one\nforged\n"

    def test_a_removed_folder_is_made_again(self, folder: Path, file: AuditFile) -> None:
        folder.rename(folder.with_name("elsewhere"))
        assert file.tampering().endswith("was removed or renamed")
        file.replace(b"head\n", "2023")
        assert (mode(folder), mode(folder / "audit.lock")) == (0o700, 0o600)
        assert (file.tampering(), file.path.read_bytes()) == ("", b"head\n")
        with pytest.raises(AuditInUse):
            AuditFile.open(folder)

    def test_a_lost_lock_is_taken_again(self, folder: Path, file: AuditFile) -> None:
        (folder / "audit.lock").unlink()
        file.replace(b"head\n", "2023")
        assert file.tampering() == ""
        with pytest.raises(AuditInUse):
            AuditFile.open(folder)

    def test_who_holds_the_lost_lock_by_now_keeps_the_log(self, folder: Path, file: AuditFile) -> None:
        (folder / "audit.lock").unlink()
        other, _ = AuditFile.open(folder)
        other.append(b"other\n")
        with pytest.raises(AuditInUse):
            file.replace(b"head\n", "2023")
        assert (other.tampering(), other.path.read_bytes()) == ("", b"other\n")
        other.close()

    def test_when_it_fails_the_old_file_is_untouched(
        self, folder: Path, file: AuditFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.append(b"one\n")
        monkeypatch.setattr(os, "pwritev", lambda *_: _disk_full())
        with pytest.raises(OSError, match="No space left"):
            file.replace(b"head\n", "2023")
        monkeypatch.undo()
        assert sorted(path.name for path in folder.iterdir()) == ["audit.lock", "audit.log"]
        assert file.path.read_bytes() == b"one\n"

    def test_an_old_file_that_cannot_even_be_examined_does_not_hinder(
        self, file: AuditFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, ours = os.fstat, os.open(file.path, os.O_RDONLY)
        inode = os.fstat(ours).st_ino
        os.close(ours)

        def broken(descriptor: int) -> os.stat_result:
            if (found := real(descriptor)).st_ino == inode:
                raise OSError(errno.EIO, "Input/output error")
            return found

        monkeypatch.setattr(os, "pwritev", lambda *_: _disk_full())
        with pytest.raises(OSError, match="No space left"):
            file.append(b"one\n")
        monkeypatch.undo()
        monkeypatch.setattr(os, "fstat", broken)
        file.replace(b"head\n", "2023")
        monkeypatch.undo()
        assert file.path.read_bytes() == b"head\n"


def _disk_full() -> int:
    raise OSError(errno.ENOSPC, "No space left on device")
