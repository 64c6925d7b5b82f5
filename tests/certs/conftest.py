"""A PKI directory with an authority in it, and a clock that moves when told."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.authority import Authority, open_authority
from certs.keystore import PkiDirectory
from tests.certs.forge import NOW


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def pki(data_dir: Path) -> PkiDirectory:
    return PkiDirectory.under(data_dir)


@pytest.fixture
def authority(pki: PkiDirectory, clock: Clock) -> Authority:
    found, created = open_authority(pki, now=clock)
    assert created
    return found
