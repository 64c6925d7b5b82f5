"""What one gateway over one fleet needs: measured from its first sync to the last list."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench import corpus, operations
from bench.client import Connection
from bench.fleet.size import Size
from bench.load import cpu_of_reads
from bench.load_program import load_program
from bench.measure import Sample, sample
from bench.meter import QUIET, cpu_seconds, peak_bytes, settled_bytes
from bench.operations import Operation
from bench.rows.stalls import held
from bench.servers import Gateway

_GETS = 2_000
_WARM_GETS = 100
_READINGS = 3
_ROUNDS = 5
_LISTED = 200_000
"""Objects of one kind of list over all its rounds, about: small lists are repeated, large ones are not."""

_GIVEN_BACK = 50_000
"""Pods for each second of rest that tells that memory shrinks no more: much of it is given back at longer intervals."""


@dataclass(frozen=True)
class Figures:
    """The numbers of one trial. Seconds and bytes; those `for each` are of one Pod, or one row."""

    object_bytes: float
    """A Pod as it is listed."""
    memory: int
    """RSS by which the gateway has grown once nothing is left to do, before the first request."""
    memory_each: float
    memory_after: int
    """The same after all requests."""
    peak_each: float
    """The most RSS there was until then."""
    sync_cpu_each: float
    sync_wall: float
    """From the gateway's start to that."""
    settling_cpu_each: float
    """After the first sync until memory shrinks no more: compressing, the snapshot, and a little for being there."""
    sync_held: float
    """The longest time for which the event loop was held in the first sync, by its own work."""
    list_cpu: float
    list_cpu_each_gb: float
    list_first_byte: float
    list_growth: int
    first_table_cpu_each: float
    table_cpu_each: float
    """Of those after the first."""
    table_growth: int
    watch_list_cpu_each: float
    watch_list_growth: int
    get_cpu: float
    get_p50: float
    get_p99: float
    held: float
    """The longest time for which the event loop was held in all, by its own work."""
    held_timers: int
    """Timers that were held for more than 20 ms, of how many."""
    timers: int
    load: float
    """Load of the machine meanwhile."""


def measure(gateway: Gateway, size: Size, sync_wall: float) -> Figures:
    """Ask a gateway that has just read its members for everything once or more."""
    pid, pods = gateway.process.pid, size.pods
    quiet = max(QUIET, pods / _GIVEN_BACK)
    memory = settled_bytes(pid, quiet) - gateway.empty.memory
    peak = peak_bytes(pid) - gateway.empty.memory
    settled_cpu = cpu_seconds(pid)
    _, _, sync_held = held(gateway)
    gets = _gets(gateway, pods)
    read = load_program(), gateway.target, corpus.path(pods // 2)
    _, listed = _repeated(gateway, pods, operations.list_json)
    first_table, table = _repeated(gateway, pods, operations.list_table)
    _, streamed = _repeated(gateway, pods, operations.watch_list)
    long, timers, longest = held(gateway)
    return Figures(
        object_bytes=listed.size / pods,
        memory=memory,
        memory_each=memory / pods,
        memory_after=settled_bytes(pid, quiet) - gateway.empty.memory,
        peak_each=peak / pods,
        sync_cpu_each=(gateway.synced.cpu - gateway.empty.cpu) / pods,
        sync_wall=sync_wall,
        settling_cpu_each=(settled_cpu - gateway.synced.cpu) / pods,
        sync_held=sync_held,
        list_cpu=listed.cpu,
        list_cpu_each_gb=listed.cpu / listed.size * 1e9,
        list_first_byte=listed.first_byte,
        list_growth=listed.growth,
        first_table_cpu_each=first_table.cpu / pods,
        table_cpu_each=table.cpu / pods,
        table_growth=max(first_table.growth, table.growth),
        watch_list_cpu_each=streamed.cpu / pods,
        watch_list_growth=streamed.growth,
        get_cpu=median(cpu_of_reads(*read) for _ in range(_READINGS)),
        get_p50=percentile(gets, 0.5),
        get_p99=percentile(gets, 0.99),
        held=longest,
        held_timers=int(long),
        timers=int(timers),
        load=os.getloadavg()[0],
    )


def _repeated(gateway: Gateway, pods: int, operation: Operation) -> tuple[Sample, Sample]:
    """The first time, and what the others are like; where one takes long enough, that is both."""
    first, *others = [sample(gateway.target, operation) for _ in range(1 + min(_ROUNDS, _LISTED // pods))]
    return first, typical(others or [first])


def typical(samples: Sequence[Sample]) -> Sample:
    """The middle of each time, and the most that memory grew."""
    return Sample(
        wall=median(one.wall for one in samples),
        cpu=median(one.cpu for one in samples),
        first_byte=median(one.first_byte for one in samples),
        size=samples[0].size,
        growth=max(one.growth for one in samples),
    )


def _gets(gateway: Gateway, pods: int) -> list[float]:
    """The times of GETs of Pods all over the fleet, one after the other over one connection."""
    with Connection(gateway.target.endpoint) as connection:
        for number in range(_WARM_GETS):
            connection.get(corpus.path(number % pods))
        return [connection.get(corpus.path(number * pods // _GETS)).seconds for number in range(_GETS)]


def percentile(values: Sequence[float], share: float) -> float:
    """The least of the values, of which there is one at least, that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
