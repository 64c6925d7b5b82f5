"""How late the gateway's event loop was, over all that was done to it until now."""

import re

from bench.result import Goal, Line, Spread
from bench.servers import Gateway
from bench.stage import Stage

_LAG = re.compile(r'fleetgate_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')
_LIMIT = 0.02
"""Seconds; the probe's bounds have none between this and 50 ms."""


def event_loop(stage: Stage) -> list[Line]:
    """Of the gateway's own probe, a timer; a machine that does other work as well delays it, too."""
    late, total, worst = lag(stage.gateway)
    note = f"{late:.0f} of {total:.0f} probes; the latest {worst}"
    goal = Goal("none", at_most=0)
    return [Line("event loop", "probes late by > 20 ms", "%", None, Spread.of([100 * late / total]), goal, note)]


def lag(gateway: Gateway) -> tuple[float, float, str]:
    """How many probes were later than 20 ms, of how many, and how late the latest was."""
    buckets = [(float(bound), float(count)) for bound, count in _LAG.findall(gateway.metrics())]
    total = buckets[-1][1]
    in_time = max(count for bound, count in buckets if bound <= _LIMIT)
    worst = max((bound for bound, count in buckets if count < total), default=0.0)
    return total - in_time, total, f"by more than {worst * 1e3:g} ms"
