"""One simulated member as a child process: started, watched, ended. It never outlives the demo, however that ends.

The child holds the other end of its standard input: when this process is gone, killed even, the child reads the end of
it and stops (gateway/simulation/member/__main__.py).
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from certs.keystore import PRIVATE_DIRECTORY

_START_SECONDS = 60.0
_STOP_SECONDS = 5.0


class DemoError(Exception):
    """Why the demo cannot go on, in plain words."""


class MemberProcess:
    """The process of one member.

    Args:
        name: the member's name.
        number: its number, from 1.
        folder: where the members keep their data, each in a folder of its own; it and the one above are made private.
    """

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self.data_dir = folder / name
        self.url = ""
        self._number = number
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process's id; 0 before it was started."""
        return self._process.pid if self._process is not None else 0

    @property
    def command(self) -> list[str]:
        """What starts the member."""
        options = ["--name", self.name, "--number", str(self._number), "--data-dir", str(self.data_dir)]
        return [sys.executable, "-m", "gateway.simulation.member", *options]

    @property
    def command_line(self) -> str:
        """What a person types to start the member by hand."""
        return shlex.join(self.command)

    @property
    def log_file(self) -> Path:
        """Where the member's own words go."""
        return self.data_dir / "member.log"

    async def start(self) -> None:
        """Start the member and wait until it serves. Raises DemoError."""
        for folder in (self.data_dir.parent.parent, self.data_dir.parent, self.data_dir):
            folder.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            # A session of its own keeps Ctrl-C from it: the demo ends it when the gateway has let go.
            self._process = await asyncio.create_subprocess_exec(
                *self.command, "--lifeline", stdin=PIPE, stdout=PIPE, stderr=log, start_new_session=True
            )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        try:
            async with asyncio.timeout(_START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise DemoError(f"{self.name} does not come up; its log is {self.log_file}") from None
        self.url = line.decode().strip()
        if not self.url:
            await self._process.wait()
            raise DemoError(_last_line(self.log_file) or f"{self.name} ended at once; its log is {self.log_file}")

    async def wait(self) -> int:
        """Wait until the process has ended and return its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process, gently first. Does nothing when it has ended or was never started."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()  # frozen by hand, perhaps
            await process.wait()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else ""
