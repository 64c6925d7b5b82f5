"""Random histories of members, faults and readers, against an independent account of what each reader may see.

A seed determines everything. More of them: `FLEETGATE_SEEDS=1000 pytest tests/cache/test_merged_view.py`; a single one:
`FLEETGATE_SEEDS=1 FLEETGATE_FIRST_SEED=4711`.
"""

import os

import pytest

from tests.cache.model import script
from tests.cache.model.wire import wire
from tests.cache.model.world import World
from tests.support import virtual_time

SEEDS = int(os.environ.get("FLEETGATE_SEEDS", "200"))
HTTP_SEEDS = max(3, SEEDS // 100)
FIRST_SEED = int(os.environ.get("FLEETGATE_FIRST_SEED", "1"))


def tighten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let others run after every few objects, where otherwise it would be hundreds."""
    for name, size in (
        ("cache.search._SLICE", 3),
        ("cache.reflector._SLICE", 2),
        ("cache.cacher._SLICE", 2),
        ("cache.watcher._READ_EVENTS", 3),
        ("cache.watcher._BATCH_EVENTS", 2),
        ("cache.ordered_objects._CHUNK", 2),
        ("cache.history._SEARCHED_EVENTS", 16),
    ):
        monkeypatch.setattr(name, size)
    monkeypatch.setattr("cache.past_state.PastState.catch_up.__defaults__", (5,))


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_nobody_sees_what_never_was(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    played = script.write(seed)
    if played.tight:
        tighten(monkeypatch)
    virtual_time.run(World(played, seed, lambda member: member).play())


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + HTTP_SEEDS))
def test_nobody_does_over_http_either(seed: int) -> None:
    async def play() -> None:
        async with wire() as members:
            await World(script.write(seed), seed, members.port).play()

    virtual_time.run(play(), patience=0.002)
