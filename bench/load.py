"""The client with many connections (load/main.go), as a row drives it."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.client import Endpoint
from bench.meter import CLIENT_CORES, cpu_seconds, on
from bench.target import Target

_LOWEST_PRIORITY = 15
_BUSY_CONNECTIONS = 16
_WARM_UP, _READING = 0.5, 2.0


@dataclass(frozen=True)
class Report:
    """What came on all connections since the last report; latencies in milliseconds."""

    events: int
    bytes: int
    closed: int
    p50: float
    p99: float
    max: float


class Load:
    """The running program; a context manager."""

    def __init__(
        self, program: Path, endpoint: Endpoint, path: str, *, connections: int, mode: str = "watch", nice: bool = False
    ) -> None:
        """Start it and wait until every connection has its answer. Raises RuntimeError when it ends before."""
        # What is only there to load the server must not delay the client that is measured.
        before = ["nice", "-n", str(_LOWEST_PRIORITY)] if nice else []
        files = ["-ca", str(endpoint.ca), "-cert", str(endpoint.certificate), "-key", str(endpoint.key)]
        work = ["-url", endpoint.url + path, "-mode", mode, "-connections", str(connections)]
        with on(CLIENT_CORES):
            self._process = subprocess.Popen(
                [*before, str(program), *work, *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        if not self._output.readline():
            raise RuntimeError("the load program has ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def report(self) -> Report:
        """What came since the last report."""
        self._input.write("report\n")
        self._input.flush()
        return Report(**json.loads(self._output.readline()))


def cpu_of_reads(program: Path, target: Target, path: str) -> float:
    """CPU seconds of a server for each of many small reads.

    Several connections keep it busy: a server that sleeps between requests pays for waking and for cold caches, and on
    a machine that does other work as well that is most of what is measured.
    """
    with Load(program, target.endpoint, path, connections=_BUSY_CONNECTIONS, mode="read") as load:
        time.sleep(_WARM_UP)
        load.report()
        before = cpu_seconds(target.pid)
        time.sleep(_READING)
        used = cpu_seconds(target.pid) - before
        return used / max(1, load.report().events)
