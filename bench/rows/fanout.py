"""Watches of all Pods by many clients: events of 10 KB to each of them, and the memory of idle ones.

The changes are made past the server that is measured, in etcd or in a member: a write is another row.
"""

import time
from dataclasses import dataclass

from bench.client import Connection
from bench.load import Load, Report
from bench.meter import cpu_seconds, resident_bytes
from bench.operations import PODS
from bench.options import REAL_PODS
from bench.result import Line, Spread, above, below, faster
from bench.servers import Source
from bench.stage import Stage
from bench.target import Target

_SECONDS = 4.0
_DRAIN = 10.0
"""Seconds that the last events may take."""


@dataclass(frozen=True)
class Rate:
    """What happened at one rate of changes."""

    changes: float
    """A second, as they were made."""
    expected: int
    report: Report
    server_cpu: float
    server_share: float
    """Of its core that it got, and used."""
    client_share: float
    """The same of the client."""

    @property
    def complete(self) -> bool:
        """Whether every watcher got everything."""
        return self.report.closed == 0 and self.report.events == self.expected


def hundred(stage: Stage) -> list[Line]:
    """A hundred watchers."""
    return _fan_out(stage, 100, (50, 100, 200, 400))


def thousand(stage: Stage) -> list[Line]:
    """A thousand watchers."""
    return _fan_out(stage, 1000, (10, 25, 50, 100, 150))


def _fan_out(stage: Stage, watchers: int, rates: tuple[int, ...]) -> list[Line]:
    theirs, ours = stage.targets
    sources: dict[str, Source] = {theirs.name: stage.real.pods, ours.name: stage.fast}
    idle: dict[str, float] = {}
    measured: dict[str, list[Rate]] = {}
    for target in (theirs, ours):
        before = resident_bytes(target.pid)
        with Load(stage.load, target.endpoint, watch_path(target), connections=watchers) as load:
            time.sleep(1)
            idle[target.name] = (resident_bytes(target.pid) - before) / watchers / 1024
            measured[target.name] = _rates(stage, target, sources[target.name], load, watchers, rates)
    # A kube-apiserver's heap has room for the watches: what it holds does not show in its size.
    return _lines(watchers, measured[theirs.name], measured[ours.name], idle[ours.name])


def watch_path(target: Target) -> str:
    """Of a watch of all Pods from now on."""
    with Connection(target.endpoint) as connection:
        version = connection.json("GET", f"{PODS}?limit=1")["metadata"]["resourceVersion"]
    return f"{PODS}?watch=true&allowWatchBookmarks=true&resourceVersion={version}"


def _rates(
    stage: Stage, target: Target, source: Source, load: Load, watchers: int, rates: tuple[int, ...]
) -> list[Rate]:
    """Raise the rate until somebody misses something."""
    done: list[Rate] = []
    load.report()
    for rate in rates:
        done.append(_at(stage, target, source, load, watchers, rate))
        if not done[-1].complete:
            break
    return done


def _at(stage: Stage, target: Target, source: Source, load: Load, watchers: int, rate: int) -> Rate:
    count = int(rate * _SECONDS)
    server, client = cpu_seconds(target.pid), cpu_seconds(load.pid)
    started = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started + number / rate - time.monotonic()))
        source.change(REAL_PODS + number % (stage.options.pods - REAL_PODS))
    made = time.monotonic() - started
    report = load.report()
    while report.events < count * watchers and not report.closed and time.monotonic() < started + made + _DRAIN:
        time.sleep(0.2)
        report = _sum(report, load.report())
    wall = time.monotonic() - started
    server, client = cpu_seconds(target.pid) - server, cpu_seconds(load.pid) - client
    return Rate(count / made, count * watchers, report, server, server / wall, client / wall)


def _sum(earlier: Report, later: Report) -> Report:
    # The slower half's percentile stands for both: never better than the truth.
    return Report(
        earlier.events + later.events,
        earlier.bytes + later.bytes,
        later.closed,
        max(earlier.p50, later.p50),
        max(earlier.p99, later.p99),
        max(earlier.max, later.max),
    )


def _lines(watchers: int, theirs: list[Rate], ours: list[Rate], idle: float) -> list[Line]:
    work, large = f"{watchers} watchers", watchers >= 1000
    # The cost at the same rate: the more events there are at once, the more of them share a write.
    shared = min(len(theirs), len(ours)) - 1
    their_cost, our_cost = (rates[shared].server_cpu / max(1, rates[shared].report.events) for rates in (theirs, ours))
    best = next((rate for rate in reversed(ours) if rate.complete), ours[0])
    fast, prompt = (above(145, "1/s"), below(200, "ms")) if large else (None, None)
    sustained = _one(_highest(theirs)), _one(_highest(ours))
    possible = _one(1 / (their_cost * watchers)), _one(1 / (our_cost * watchers))
    at_rate = f"at {ours[shared].changes:.0f} changes a second"
    late = f"p50 {best.report.p50:.0f} ms, {best.changes:.0f} changes a second"
    return [
        Line(work, "changes/s, all came", "1/s", *sustained, fast, _story(theirs, ours), more_is_better=True),
        Line(work, "changes for each CPU second", "1/s", *possible, fast, at_rate, more_is_better=True),
        Line(work, "CPU for each delivery", "us", _one(their_cost * 1e6), _one(our_cost * 1e6), faster(3), at_rate),
        Line(work, "p99 at the highest rate", "ms", None, _one(best.report.p99), prompt, late),
        Line(work, "memory of an idle watch", "KiB", None, _one(idle), below(64, "KiB"), "growth of RSS"),
    ]


def _highest(rates: list[Rate]) -> float:
    return max((rate.changes for rate in rates if rate.complete), default=0.0)


def _story(theirs: list[Rate], ours: list[Rate]) -> str:
    parts = []
    for name, rates in (("kube-apiserver", theirs), ("fleetgate", ours)):
        last = rates[-1]
        came = f"{last.report.events / last.expected:.0%} came in time, {last.report.closed} clients cut off"
        parts.append(
            f"{name} at {last.changes:.0f}/s: {came}, core {last.server_share:.0%}, client's {last.client_share:.0%}"
        )
    return "; ".join(parts)


def _one(value: float) -> Spread:
    return Spread.of([value])
