"""Registries for tests: a fresh store with a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.storage.interface import Storage
from gateway.storage.registry import Registry
from gateway.storage.resources import FEDERATION_RESOURCES, MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage


class Clock:
    """Seconds since the epoch that pass only when told."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def storage(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteStorage]:
    storage = await SqliteStorage.open(tmp_path / "storage.db", now=clock)
    yield storage
    await storage.close()


@pytest.fixture
async def registry(storage: Storage, clock: Clock) -> Registry:
    registry = Registry(storage, FEDERATION_RESOURCES, now=clock)
    await registry.start()
    return registry


@pytest.fixture
async def member(storage: Storage, clock: Clock) -> Registry:
    registry = Registry(storage, MEMBER_RESOURCES, now=clock)
    await registry.start()
    return registry
