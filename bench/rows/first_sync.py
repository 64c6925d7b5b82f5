"""How fast a gateway reads its members when it starts."""

from bench.options import REAL_PODS
from bench.result import Line, Spread, above
from bench.rows.stalls import lag
from bench.servers import Gateway
from bench.stage import Stage


def first_sync(stage: Stage) -> list[Line]:
    """Start gateways and give them the fast members."""
    pods = stage.options.pods - REAL_PODS
    rates, late, probes, worst = [], 0.0, 0.0, ""
    for number in range(max(1, stage.options.repeat // 2)):
        with Gateway(stage.folder / f"sync-{number}", stage.fast.kubeconfigs) as gateway:
            rates.append(pods / (gateway.synced.cpu - gateway.empty.cpu))
            late, probes, worst = lag(gateway)
    note = f"with TLS and all indexes; {late:.0f} of {probes:.0f} probes of the loop late by 20 ms, the latest {worst}"
    return [Line("first sync", "Pods for each CPU second", "1/s", None, Spread.of(rates), above(25_000, "1/s"), note)]
