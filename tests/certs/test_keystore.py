from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from certs.errors import CertsError
from certs.keystore import PkiDirectory, file_stamp, read_private, read_public, write_atomically


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_directory_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    pki = PkiDirectory.under(tmp_path / "new" / "data")
    pki.prepare()
    assert mode_of(pki.root) == 0o700
    assert mode_of(pki.root.parent) == 0o700


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o777])
def test_a_directory_open_to_others_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    pki = PkiDirectory(tmp_path / "pki")
    pki.prepare()
    pki.root.chmod(mode)
    with pytest.raises(CertsError, match=f"mode 0{mode:o}.*chmod 700 {pki.root}"):
        pki.prepare()


def test_a_directory_that_cannot_be_created_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CertsError, match=r"cannot create .*choose another --data-dir"):
        PkiDirectory(tmp_path / "file" / "pki").prepare()


def test_a_directory_without_an_authority_names_the_command_that_makes_one(tmp_path: Path) -> None:
    pki = PkiDirectory(tmp_path / "pki")
    with pytest.raises(CertsError, match="fleetgate certs init"):
        pki.require_authority()


def test_a_private_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret")
    assert mode_of(path) == 0o600
    assert read_private(path) == b"secret"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_open_to_others_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret", mode=0o600)
    path.chmod(mode)
    with pytest.raises(CertsError, match=f"chmod 600 {path}"):
        read_private(path)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"secret")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(CertsError, match="belongs to user id"):
        read_private(path)


@pytest.mark.parametrize("read", [read_private, read_public])
def test_an_absent_file_is_told(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(CertsError, match=r"cannot read .*No such file"):
        read(tmp_path / "absent")


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CertsError, match=r"cannot write .*No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_stamp_changes_with_content_replacement_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert file_stamp(path) is None
    write_atomically(path, b"one")
    first = file_stamp(path)
    assert first is not None
    assert file_stamp(path) == first
    write_atomically(path, b"two")
    assert file_stamp(path) != first


def test_the_lock_keeps_another_process_out(tmp_path: Path) -> None:
    pki = PkiDirectory(tmp_path / "pki")
    pki.prepare()
    with pki.locked(), open(pki.root / ".lock") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(pki.root / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
