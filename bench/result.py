"""A line of the table, and how often-repeated numbers become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """The middle of repeated measurements, and their ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Goal:
    """What a number should be: of the ratio to the kube-apiserver, or of the gateway's own number."""

    text: str
    at_least: float | None = None
    at_most: float | None = None
    of_ratio: bool = False

    def met(self, line: "Line") -> bool | None:
        """Whether it is; None when it could not be measured."""
        ours = line.fleetgate.median if line.fleetgate else None
        number = line.ratio if self.of_ratio else ours
        if number is None:
            return None
        return (self.at_least is None or number >= self.at_least) and (self.at_most is None or number <= self.at_most)


def faster(times: float) -> Goal:
    """At least so many times less than the kube-apiserver needs."""
    return Goal(f">= {times:g} x", at_least=times, of_ratio=True)


def below(limit: float, unit: str) -> Goal:
    """At most so much."""
    return Goal(f"<= {limit:g} {unit}", at_most=limit)


def above(limit: float, unit: str) -> Goal:
    """At least so much."""
    return Goal(f">= {limit:g} {unit}", at_least=limit)


@dataclass(frozen=True)
class Line:
    """One number of one kind of work at both servers; `more_is_better` turns the ratio round."""

    work: str
    measure: str
    unit: str
    kube_apiserver: Spread | None = None
    fleetgate: Spread | None = None
    goal: Goal | None = None
    note: str = ""
    more_is_better: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times better than the kube-apiserver; None where one of them has no number."""
        if self.kube_apiserver is None or self.fleetgate is None:
            return None
        theirs, ours = self.kube_apiserver.median, self.fleetgate.median
        better, worse = (ours, theirs) if self.more_is_better else (theirs, ours)
        return better / worse if worse > 0 else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one, or when it could not be measured."""
        return self.goal.met(self) if self.goal else None
