import os
import stat
from pathlib import Path

import pytest

from gateway.storage.file_lock import FileLock
from gateway.storage.interface import StorageInUse


def test_a_lock_is_held_until_it_is_released(tmp_path: Path) -> None:
    database = tmp_path / "storage.db"
    lock = FileLock(database)
    with pytest.raises(StorageInUse, match=f"in use by another process \\(process {os.getpid()}\\)"):
        FileLock(database)
    lock.release()
    FileLock(database).release()


def test_the_lock_file_is_private(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "storage.db")
    assert stat.S_IMODE((tmp_path / "storage.db.lock").stat().st_mode) == 0o600
    lock.release()
