"""How fast a gateway reads its members when it starts."""

import re

from bench.options import REAL_PODS
from bench.result import Line, Spread, above
from bench.servers import Gateway
from bench.stage import Stage

_LAG = re.compile(r'fleetgate_event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)')


def first_sync(stage: Stage) -> list[Line]:
    """Start gateways and give them the fast members."""
    pods = stage.options.pods - REAL_PODS
    rates, late = [], ""
    for number in range(max(1, stage.options.repeat // 2)):
        with Gateway(stage.folder / f"sync-{number}", stage.fast.kubeconfigs) as gateway:
            rates.append(pods / (gateway.synced.cpu - gateway.empty.cpu))
            late = lag(gateway.metrics())
    note = f"CPU seconds, with TLS and all indexes; event loop late: {late}"
    return [Line("first sync", "Pods for each CPU second", "1/s", None, Spread.of(rates), above(25_000, "1/s"), note)]


def lag(metrics: str) -> str:
    """How late the event loop was, in words."""
    buckets = [(float(bound), float(count)) for bound, count in _LAG.findall(metrics)]
    total = buckets[-1][1] if buckets else 0
    over = [f"{total - count:.0f} > {bound * 1e3:g} ms" for bound, count in buckets if count < total]
    return (
        f"{over[-1]} of {total:.0f} probes" if over else f"never above {buckets[0][0] * 1e3:g} ms" if buckets else "?"
    )
