"""How long the gateway's event loop held its own timers, over all that was done to it until now."""

import re

from bench.result import Goal, Line, Spread
from bench.servers import Gateway
from bench.stage import Stage

_HELD = re.compile(r'fleetgate_event_loop_held_seconds_bucket\{le="([^"]+)"\} (\S+)')
_LONGEST = re.compile(r'fleetgate_event_loop_longest_stall_seconds\{clock="cpu"\} (\S+)')
_LIMIT = 0.02
"""Seconds; the probe's bounds have none between this and 50 ms."""


def event_loop(stage: Stage) -> list[Line]:
    """Of the gateway's own watch: the CPU time its loop used while a timer waited, so other work does not count."""
    long, total, longest = held(stage.gateway)
    note = f"{long:.0f} of {total:.0f} timers; the longest {longest * 1e3:.0f} ms"
    goal = Goal("none", at_most=0)
    return [Line("event loop", "timers held for > 20 ms", "%", None, Spread.of([100 * long / total]), goal, note)]


def held(gateway: Gateway) -> tuple[float, float, float]:
    """How many timers were held for more than 20 ms, of how many, and the longest in seconds."""
    text = gateway.metrics()
    buckets = [(float(bound), float(count)) for bound, count in _HELD.findall(text)]
    total = buckets[-1][1]
    in_time = max(count for bound, count in buckets if bound <= _LIMIT)
    longest = _LONGEST.search(text)
    return total - in_time, total, float(longest[1]) if longest else 0.0
