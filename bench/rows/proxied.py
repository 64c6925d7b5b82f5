"""What the gateway adds to a read that it forwards, and to a write with admission and audit."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from bench import corpus
from bench.client import Connection
from bench.load import cpu_of_reads
from bench.meter import cpu_seconds
from bench.result import Line, Spread, below
from bench.stage import Stage

_BATCH = 100
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

Request = Callable[[Connection], object]


def read(stage: Stage) -> list[Line]:
    """GET through `/clusters/real`, beside the same at that member."""
    path = corpus.path(2)
    proxied = f"/clusters/real{path}"
    times = _times(stage, lambda member: member.get(path), lambda gateway: gateway.get(proxied))
    cpu = [cpu_of_reads(stage.load, stage.gateway.target, proxied) * 1e6 for _ in range(stage.options.repeat)]
    return _lines("proxied read", times, cpu, (0.3, 100))


def write(stage: Stage) -> list[Line]:
    """PATCH of a merged Pod, beside the same at the member that has it."""
    times = _times(stage, patch, patch)
    return _lines("proxied write", times, times.cpu, (1.0, 250))


def patch(connection: Connection) -> None:
    """Write to a Pod of the real member. Raises RuntimeError when it is refused."""
    body = b'{"metadata":{"annotations":{"%s":"%d"}}}' % (corpus.SENT.encode(), time.time_ns())
    answer = connection.request("PATCH", corpus.path(3), _MERGE_PATCH, body, keep=True)
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {answer.body[:500]!r}")


@dataclass(frozen=True)
class _Times:
    """Medians of batches in seconds, and the gateway's CPU time for each request in microseconds."""

    direct: list[float]
    proxied: list[float]
    cpu: list[float]


def _times(stage: Stage, at_member: Request, at_gateway: Request) -> _Times:
    times = _Times([], [], [])
    pid = stage.gateway.target.pid
    with Connection(stage.real.member.endpoint) as member, Connection(stage.gateway.target.endpoint) as gateway:
        _median(member, at_member)
        _median(gateway, at_gateway)
        for _ in range(stage.options.repeat):
            times.direct.append(_median(member, at_member))
            before = cpu_seconds(pid)
            times.proxied.append(_median(gateway, at_gateway))
            times.cpu.append((cpu_seconds(pid) - before) / _BATCH * 1e6)
    return times


def _median(connection: Connection, request: Request) -> float:
    seconds = []
    for _ in range(_BATCH):
        started = time.perf_counter()
        request(connection)
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def _lines(work: str, times: _Times, cpu: list[float], goals: tuple[float, float]) -> list[Line]:
    added = [(through - at) * 1e3 for at, through in zip(times.direct, times.proxied, strict=True)]
    direct, proxied = median(times.direct) * 1e3, median(times.proxied) * 1e3
    note = f"p50 at the member {direct:.2f} ms, through the gateway {proxied:.2f} ms"
    return [
        Line(work, "added p50", "ms", None, Spread.of(added), below(goals[0], "ms"), note),
        Line(work, "added CPU", "us", None, Spread.of(cpu), below(goals[1], "us"), "of the gateway"),
    ]
