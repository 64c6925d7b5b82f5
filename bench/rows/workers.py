"""What a second process takes over: the same work for a gateway of one process and for one of two, same members.

Not wall time, for the machine has no third core for the client: the CPU time of the busier of the two processes is what
limits them where each has a core.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench import corpus
from bench.load import Load
from bench.meter import cpu_seconds
from bench.result import Line, Spread
from bench.rows.fanout import watch_path
from bench.servers import Gateway
from bench.stage import Stage

_CONNECTIONS = 32
_WATCHERS = 300
_CHANGES = 100
_WARM_UP, _READING, _DRAIN = 0.5, 2.0, 30.0


@dataclass(frozen=True)
class Cost:
    """CPU seconds for one answer or event."""

    busiest: float
    all: float


def second_process(stage: Stage) -> list[Line]:
    """LIST of a namespace, GET, and events to many watchers."""
    folder, kubeconfigs = stage.folder / "workers", stage.member_kubeconfigs
    costs: list[dict[str, Cost]] = []
    for workers in (1, 2):
        with Gateway(folder / str(workers), kubeconfigs, workers=workers) as gateway:
            costs.append({work: measure(stage, gateway) for work, measure in _WORK.items()})
    lines = []
    for work in _WORK:
        one, two = (cost[work] for cost in costs)
        note = f"{work}: both processes together {two.all / one.all:.2f} times the CPU of one"
        gain = Spread.of([one.busiest / two.busiest])
        lines.append(Line(f"{work}, one process to two", "less CPU", "x", None, gain, note=note))
    return lines


def _reads(path: str) -> Callable[[Stage, Gateway], Cost]:
    def measure(stage: Stage, gateway: Gateway) -> Cost:
        found = []
        for _ in range(stage.options.repeat):
            with Load(stage.load, gateway.target.endpoint, path, connections=_CONNECTIONS, mode="read") as load:
                time.sleep(_WARM_UP)
                load.report()
                before = _used(gateway)
                time.sleep(_READING)
                found.append(_cost(before, _used(gateway), load.report().events))
        return _middle(found)

    return measure


def _events(stage: Stage, gateway: Gateway) -> Cost:
    found = []
    for _ in range(stage.options.repeat):
        with Load(stage.load, gateway.target.endpoint, watch_path(gateway.target), connections=_WATCHERS) as load:
            load.report()
            before, delivered = _used(gateway), 0
            for number in range(_CHANGES):
                stage.fast.change(stage.options.pods // 2 + number)
                time.sleep(0.02)
            deadline = time.monotonic() + _DRAIN
            while delivered < _CHANGES * _WATCHERS and time.monotonic() < deadline:
                time.sleep(0.1)
                delivered += load.report().events
            found.append(_cost(before, _used(gateway), delivered))
    return _middle(found)


_WORK: dict[str, Callable[[Stage, Gateway], Cost]] = {
    "LIST of a namespace": _reads(f"/api/v1/namespaces/{corpus.NAMESPACES[1]}/pods"),
    "GET": _reads(corpus.path(100)),
    f"events to {_WATCHERS} watchers": _events,
}


def _used(gateway: Gateway) -> Sequence[float]:
    return [cpu_seconds(pid) for pid in gateway.pids]


def _cost(before: Sequence[float], after: Sequence[float], count: int) -> Cost:
    used = [last - first for first, last in zip(before, after, strict=True)]
    return Cost(max(used) / max(1, count), sum(used) / max(1, count))


def _middle(costs: Sequence[Cost]) -> Cost:
    return Cost(median(cost.busiest for cost in costs), median(cost.all for cost in costs))
