"""Repeats an operation at each server in turn, so that what else the machine does falls on all of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.client import Connection
from bench.meter import cpu_seconds, peak_bytes, reset_peak, resident_bytes
from bench.operations import Operation
from bench.result import Goal, Line, Spread
from bench.target import Target

_SETTLE = 0.2
"""Seconds of rest before each measurement, in which what an earlier one left behind is done."""


@dataclass(frozen=True)
class Sample:
    """One run of one operation."""

    wall: float
    cpu: float
    first_byte: float
    size: int
    growth: int
    """Bytes by which the server's memory peaked above what it held before."""


def sample(target: Target, operation: Operation) -> Sample:
    """Run an operation once, over a new connection that is not measured."""
    with Connection(target.endpoint) as connection:
        connection.request("GET", "/version")
        time.sleep(_SETTLE)
        reset_peak(target.pid)
        memory, cpu = resident_bytes(target.pid), cpu_seconds(target.pid)
        answer = operation(connection)
        used = cpu_seconds(target.pid) - cpu
        if answer.status != 200:
            raise RuntimeError(f"{target.name} answers {answer.status}")
        growth = max(0, peak_bytes(target.pid) - memory)
        return Sample(answer.seconds, used, answer.first_byte, answer.size, growth)


def interleaved(targets: Sequence[Target], operation: Operation, repeat: int) -> dict[str, list[Sample]]:
    """Run it at each server in turn; the first round warms up and is not counted."""
    samples: dict[str, list[Sample]] = {target.name: [] for target in targets}
    for number in range(repeat + 1):
        for target in targets:
            one = sample(target, operation)
            if number:
                samples[target.name].append(one)
    return samples


def compared(
    samples: dict[str, list[Sample]],
    work: str,
    measure: str,
    unit: str,
    number: Callable[[Sample], float],
    goal: Goal | None = None,
    note: str = "",
) -> Line:
    """A line of one number of the samples."""

    def spread(name: str) -> Spread | None:
        return Spread.of([number(one) for one in samples[name]]) if samples.get(name) else None

    return Line(work, measure, unit, spread("kube-apiserver"), spread("fleetgate"), goal, note)


def times(samples: dict[str, list[Sample]], work: str, goal: Goal | None) -> list[Line]:
    """The lines of a long answer: time, CPU time, first byte, memory, and what was sent."""
    sizes = ", ".join(f"{name} {spread[0].size / 1e6:.1f} MB" for name, spread in samples.items() if spread)
    return [
        compared(samples, work, "time", "ms", lambda one: one.wall * 1e3, goal, f"sent: {sizes}"),
        compared(samples, work, "CPU", "ms", lambda one: one.cpu * 1e3, goal),
    ]
