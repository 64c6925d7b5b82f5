"""How fast a gateway reads its members when it starts."""

from bench.options import REAL_PODS
from bench.result import Line, Spread, above
from bench.rows.stalls import held
from bench.servers import Gateway
from bench.stage import Stage


def first_sync(stage: Stage) -> list[Line]:
    """Start gateways and give them the fast members."""
    pods = stage.options.pods - REAL_PODS
    rates, long, timers, longest = [], 0.0, 0.0, 0.0
    for number in range(max(1, stage.options.repeat // 2)):
        with Gateway(stage.folder / f"sync-{number}", stage.fast.kubeconfigs) as gateway:
            rates.append(pods / (gateway.synced.cpu - gateway.empty.cpu))
            long, timers, longest = held(gateway)
    note = f"with TLS and all indexes; {long:.0f} of {timers:.0f} timers held for 20 ms, longest {longest * 1e3:.0f} ms"
    return [Line("first sync", "Pods for each CPU second", "1/s", None, Spread.of(rates), above(25_000, "1/s"), note)]
