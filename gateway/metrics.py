"""Prometheus metrics of the gateway: requests, the event loop, and whatever parts publish about themselves.

Names of request metrics are kube-apiserver's, so that its dashboards work. Labels never carry names of objects or
users, nor anything a caller made up: they would stay for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.request import RequestInfo

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LAG_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"})
_METHODS = frozenset({"get", "head", "options", "post", "put", "patch", "delete"})
_COUNTED = _VERBS | _METHODS
_UNKNOWN = ("", "", "", "")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value that a part publishes; `labels` are (name, value) pairs."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


class _Published(Collector):
    def __init__(self, sources: list[Callable[[], Iterable[Sample]]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for source in self._sources:
            for sample in source():
                names = [name for name, _ in sample.labels]
                family = families.get(sample.name)
                if family is None:
                    family = families[sample.name] = GaugeMetricFamily(sample.name, sample.help, labels=names)
                family.add_metric([value for _, value in sample.labels], sample.value)
        return families.values()


class Metrics:
    """Everything `/metrics` shows. One per server; written by the access filter and the watch over the event loop."""

    def __init__(self) -> None:
        """Register the gateway's own metrics in a registry of their own."""
        self.registry = CollectorRegistry()
        self._sources: list[Callable[[], Iterable[Sample]]] = []
        self.registry.register(_Published(self._sources))
        request_labels = ["verb", "group", "version", "resource", "subresource", "scope", "code"]
        self._requests = Counter(
            "apiserver_request_total", "Requests answered.", request_labels, registry=self.registry
        )
        self._latency = Histogram(
            "apiserver_request_duration_seconds",
            "Seconds from the request's head to the end of its answer; long-running requests are left out.",
            ["verb", "group", "resource"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._long_running = Gauge(
            "apiserver_longrunning_requests", "Watches and streams open now.", ["kind"], registry=self.registry
        )
        self._lag = Histogram(
            "fleetgate_event_loop_lag_seconds",
            "How late the event loop woke a timer.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._held = Histogram(
            "fleetgate_event_loop_held_seconds",
            "CPU time that the event loop itself used while a timer waited to be woken.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        longest = (
            "The longest time since the start that a timer waited (clock=wall) for the loop's own work (clock=cpu)."
        )
        self._longest = Gauge("fleetgate_event_loop_longest_stall_seconds", longest, ["clock"], registry=self.registry)
        self._longest_seconds = {"wall": 0.0, "cpu": 0.0}
        self._seen: set[tuple[str, str, str, str]] = set()
        # Of what succeeded, which is little: finding it again in prometheus_client costs more than counting.
        self._succeeded: dict[tuple[object, ...], tuple[Counter, Histogram | None]] = {}

    def publish(self, source: Callable[[], Iterable[Sample]]) -> None:
        """Add a part's own samples; `source` is called at every scrape."""
        self._sources.append(source)

    def long_running(self, info: RequestInfo) -> AbstractContextManager[object]:
        """Count one long-running request while it is open."""
        return self._long_running.labels(info.subresource or info.verb).track_inprogress()

    def observe(self, info: RequestInfo, code: int, seconds: float) -> None:
        """Count one answered request. A resource is named once it was seen to exist, by a request that succeeded."""
        resource = (info.api_group, info.api_version, info.resource, info.subresource)
        asked = (info.verb, info.is_resource_request, info.namespace != "", resource, code)
        answered = self._succeeded.get(asked)
        if answered is None:
            answered = self._find(info, resource, code)
            if code < 400 and info.verb in _COUNTED:
                self._succeeded[asked] = answered
        counter, latency = answered
        counter.inc()
        if latency is not None:
            latency.observe(seconds)

    def _find(
        self, info: RequestInfo, resource: tuple[str, str, str, str], code: int
    ) -> tuple[Counter, Histogram | None]:
        known = _VERBS if info.is_resource_request else _METHODS
        verb = info.verb if info.verb in known else "other"
        scope = "namespace" if info.namespace else "cluster" if info.is_resource_request else ""
        if code < 400:
            self._seen.add(resource)
        elif resource not in self._seen:
            resource = _UNKNOWN
        counter = self._requests.labels(verb, *resource, scope, str(code))
        return counter, None if info.is_long_running else self._latency.labels(verb, resource[0], resource[2])

    def observe_loop(self, late: float, held: float) -> None:
        """Note how late the event loop woke a timer, and for how much of that it computed; in seconds."""
        self._lag.observe(late)
        self._held.observe(held)
        for clock, seconds in (("wall", late), ("cpu", held)):
            if seconds > self._longest_seconds[clock]:
                self._longest_seconds[clock] = seconds
                self._longest.labels(clock).set(seconds)

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)
