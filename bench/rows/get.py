"""GET of one Pod: CPU time for each, and how long it takes while four others list everything."""

import time

from bench import corpus, operations
from bench.client import Connection
from bench.load import Load, cpu_of_reads
from bench.measure import compared, interleaved
from bench.result import Line, Spread, below, faster
from bench.stage import Stage
from bench.target import Target

_COUNT = 200
_LIST_LOOPS = 4
_PERIOD = 0.02
_SECONDS = 6.0


def many(stage: Stage) -> list[Line]:
    """CPU time of a GET while 16 connections ask for the same, and its time over one connection."""
    path = corpus.path(stage.options.pods // 2)
    cpu: dict[str, list[float]] = {target.name: [] for target in stage.targets}
    for _ in range(stage.options.repeat):
        for target in stage.targets:
            cpu[target.name].append(cpu_of_reads(stage.load, target, path) * 1e6)
    samples = interleaved(stage.targets, operations.get_many(stage.options.pods // 2, _COUNT), stage.options.repeat)
    theirs, ours = (Spread.of(cpu[target.name]) for target in stage.targets)
    return [
        Line("GET Pod", "CPU", "us", theirs, ours, faster(3), "16 connections keep the server busy"),
        compared(samples, "GET Pod", "time, one connection", "us", lambda one: one.wall / _COUNT * 1e6),
    ]


def beside_lists(stage: Stage) -> list[Line]:
    """The slowest of a hundred GETs, while four LIST loops run."""
    found: dict[str, list[float]] = {}
    lists: dict[str, float] = {}
    for _ in range(2):
        for target in stage.targets:
            percentile, count = _beside(stage, target)
            found.setdefault(target.name, []).append(percentile * 1e3)
            lists[target.name] = count / _SECONDS
    note = "lists a second meanwhile: " + ", ".join(f"{name} {count:.1f}" for name, count in lists.items())
    theirs, ours = Spread.of(found["kube-apiserver"]), Spread.of(found["fleetgate"])
    return [Line("GET Pod beside 4 LIST loops", "p99", "ms", theirs, ours, below(8, "ms"), note)]


def _beside(stage: Stage, target: Target) -> tuple[float, int]:
    path = corpus.path(stage.options.pods // 3)
    with (
        Connection(target.endpoint) as connection,
        Load(stage.load, target.endpoint, operations.PODS, connections=_LIST_LOOPS, mode="read", nice=True) as load,
    ):
        load.report()
        seconds = []
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            seconds.append(connection.get(path).seconds)
            time.sleep(_PERIOD)
        seconds.sort()
        return seconds[int(0.99 * (len(seconds) - 1))], load.report().events
