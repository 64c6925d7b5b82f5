"""A process that writes until it is killed, and says a write aloud once it is acknowledged."""

import asyncio
import sys
import time
from pathlib import Path

from gateway.storage.sqlite import SqliteStorage
from tests.gateway.storage.storage_suite import put


async def write(storage: SqliteStorage, writer: int) -> None:
    for number in range(1_000_000):
        event = await put(storage, f"w{writer}-n{number}", "x" * 500)
        sys.stdout.write(f"w{writer}-n{number} {event.revision}\n")
        sys.stdout.flush()


async def main() -> None:
    storage = await SqliteStorage.open(Path(sys.argv[1]), now=time.time)
    await asyncio.gather(*(write(storage, writer) for writer in range(8)))


if __name__ == "__main__":
    asyncio.run(main())
