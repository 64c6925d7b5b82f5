"""`/metrics` of several processes as one: what each of them counted, added up.

A worker sends its numbers once a second. Those of one that ended are kept where they only ever grow, so that nothing
that was counted is taken back; what it measured of the moment (a gauge) ends with it. Pure but for the own registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from gateway.metrics import Metrics
from gateway.workers.messages import MeasuredFamily, MeasuredSample

_GROWING = frozenset({"counter", "histogram", "summary"})
_CREATED = "_created"
_LONGEST = "_longest_"

_Key = tuple[str, tuple[tuple[str, str], ...]]


def measured(registry: CollectorRegistry) -> Sequence[MeasuredFamily]:
    """Return all numbers of a registry as they stand."""
    return [_family(metric) for metric in registry.collect()]


def _family(metric: Metric) -> MeasuredFamily:
    samples = [MeasuredSample(sample.name, dict(sample.labels), sample.value) for sample in metric.samples]
    return MeasuredFamily(metric.name, metric.type, metric.documentation, samples)


class SummedMetrics(Metrics):
    """The core's metrics with those of its workers."""

    def __init__(self) -> None:
        """Begin without workers."""
        super().__init__()
        self._live: dict[int, Sequence[MeasuredFamily]] = {}
        self._ended: Sequence[MeasuredFamily] = ()

    def report(self, worker: int, families: Sequence[MeasuredFamily]) -> None:
        """Take what a worker measured up to now."""
        self._live[worker] = families

    def end(self, worker: int) -> None:
        """A worker ended: keep what it counted."""
        last = [family for family in self._live.pop(worker, ()) if family.type in _GROWING]
        self._ended = [_family(metric) for metric in added_up([self._ended, last])]

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(_Sum([measured(self.registry), self._ended, *self._live.values()]))


class _Sum(CollectorRegistry):
    def __init__(self, processes: Sequence[Sequence[MeasuredFamily]]) -> None:
        super().__init__()
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        yield from added_up(self._processes)


def added_up(processes: Iterable[Sequence[MeasuredFamily]]) -> Iterator[Metric]:
    """Add numbers of the same name and labels; of when something began the first counts, of the longest the longest."""
    families: dict[str, MeasuredFamily] = {}
    sums: dict[str, dict[_Key, float]] = {}
    for family in (family for process in processes for family in process):
        families.setdefault(family.name, family)
        numbers = sums.setdefault(family.name, {})
        for sample in family.samples:
            key = sample.name, tuple(sample.labels.items())
            known = numbers.get(key)
            if known is None:
                numbers[key] = sample.value
            elif sample.name.endswith(_CREATED):
                numbers[key] = min(known, sample.value)
            elif _LONGEST in sample.name:
                numbers[key] = max(known, sample.value)
            else:
                numbers[key] = known + sample.value
    for name, family in families.items():
        metric = Metric(name, family.documentation, family.type)
        for (sample_name, labels), value in sums[name].items():
            metric.add_sample(sample_name, dict(labels), value)
        yield metric
