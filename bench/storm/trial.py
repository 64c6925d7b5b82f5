"""One server in a storm: rate after rate, and after each the question whether everybody knows the truth."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.meter import cpu_seconds, peak_bytes, reset_peak, resident_bytes
from bench.storm.churn import Churn
from bench.storm.fleet import Fleet

IN_TIME = 2.0
"""Seconds after the last change, in which all informers know everything at a server that keeps up."""
_PATIENCE = 60.0
_PERIOD = 0.25
_TOLD = 3
"""Informers that are wrong in the end, of which the differences are told."""


@dataclass(frozen=True)
class Phase:
    """What happened at one rate of changes.

    Attributes:
        rate: As it was asked for.
        made: As it was reached.
        settled: Seconds from the last change until all informers were right; None: they were not.
        wrong: Of each informer that was wrong at the end, what it lacked and what it should not have.
        wrong_lists: Kinds of list that did not show the truth afterwards.
        report: What the clients counted.
        cpu, client_cpu: Seconds, in `wall` seconds.
        memory, peak: Bytes of the server, at the end and at most.
    """

    rate: float
    made: float
    settled: float | None
    wrong: Sequence[str]
    wrong_lists: Sequence[str]
    report: dict[str, Any]
    cpu: float
    client_cpu: float
    wall: float
    memory: int
    peak: int

    @property
    def keeps_up(self) -> bool:
        """Whether all knew everything soon after the last change."""
        return self.settled is not None and self.settled <= IN_TIME

    @property
    def counts(self) -> dict[str, int]:
        """What the informers did and met."""
        counts: dict[str, int] | None = self.report["informers"]["counts"]
        return counts or {}

    @property
    def latency(self) -> dict[str, float]:
        """From a change to the informers' handlers, in milliseconds."""
        latency: dict[str, float] = self.report["informers"]["latency"]
        return latency

    def time(self, what: str, number: str) -> float | None:
        """A number of what clients did besides; None when none of it came to an end."""
        one: dict[str, float] = self.report["times"].get(what, {})
        return one.get(number)

    @property
    def relists(self) -> int:
        """Lists and WatchLists beyond the first."""
        return self.counts.get("list", 0) + self.counts.get("watchlist", 0)


class Trial:
    """Storms over one server."""

    def __init__(self, fleet: Fleet, churn: Churn, pids: Sequence[int]) -> None:
        """Of a server with those processes, whose Pods `churn` changes and `fleet` reads."""
        self._fleet, self._churn, self._pids = fleet, churn, pids

    def phase(self, rate: float, seconds: float, tick: Callable[[float], None] = lambda _: None) -> Phase:
        """Storm at one rate, then wait until all know the truth."""
        for pid in self._pids:
            reset_peak(pid)
        cpu, client_cpu, started = self._cpu(), cpu_seconds(self._fleet.pid), time.monotonic()
        self._fleet.begin()
        made = self._churn.run(rate, seconds, tick)
        last = time.monotonic()
        report = self._fleet.end()
        settled = self._settle(last)
        wall = time.monotonic() - started
        cpu, client_cpu = self._cpu() - cpu, cpu_seconds(self._fleet.pid) - client_cpu
        report["informers"] = self._fleet.seen()
        return Phase(
            rate=rate,
            made=made,
            settled=settled,
            wrong=[] if settled is not None else self._differences(),
            wrong_lists=[
                f"{kind}: {digest}"
                for kind, digest in self._fleet.lists().items()
                if digest != self._churn.digest(kind)
            ],
            report=report,
            cpu=cpu,
            client_cpu=client_cpu,
            wall=wall,
            memory=sum(map(resident_bytes, self._pids)),
            peak=sum(map(peak_bytes, self._pids)),
        )

    def _cpu(self) -> float:
        return sum(map(cpu_seconds, self._pids))

    def _settle(self, since: float) -> float | None:
        """Seconds until all stores are right; None when they are not in the end."""
        truth = self._churn.digest()
        while True:
            asked = time.monotonic() - since
            if set(self._fleet.digests()) == {truth}:
                return asked
            if asked > _PATIENCE:
                return None
            time.sleep(_PERIOD)

    def _differences(self) -> list[str]:
        truth, digest = self._churn.contents(), self._churn.digest()
        told: list[str] = []
        for number, digest_of_one in enumerate(self._fleet.digests()):
            if digest_of_one == digest:
                continue
            lines = [f"informer {number}: {digest_of_one}, true is {digest}"]
            if len(told) < _TOLD:
                store = self._fleet.store(number)
                lines += [f"  lacks {line}" for line in sorted(truth - store)[:5]]
                lines += [f"  has {line}" for line in sorted(store - truth)[:5]]
            told.append("\n".join(lines))
        return told
