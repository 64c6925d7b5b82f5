from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.handlers.write_support import Gateway


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    started = await Gateway.start(tmp_path / "audit")
    yield started
    await started.stop()
