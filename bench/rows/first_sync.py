"""How fast a gateway reads its members when it starts."""

import time

from bench.meter import cpu_seconds
from bench.options import REAL_PODS
from bench.result import Line, Spread, above
from bench.rows.stalls import held
from bench.servers import Gateway
from bench.stage import Stage

_LEFT = 4.0
"""Seconds in which what is left to be done after the members were read is done: the last of the snapshot, above all."""


def first_sync(stage: Stage) -> list[Line]:
    """Start gateways and give them the fast members.

    Counted is what a gateway uses from when it is ready, without members, until all of theirs is served: handshakes and
    probes, ten milliseconds for each member, and the part of the snapshot that is written meanwhile, are in it.
    """
    pods = stage.options.pods - REAL_PODS
    rates, whole, long, timers, longest = [], [], 0.0, 0.0, 0.0
    for number in range(max(1, stage.options.repeat // 2)):
        with Gateway(stage.folder / f"sync-{number}", stage.fast.kubeconfigs) as gateway:
            used = gateway.synced.cpu - gateway.empty.cpu
            rates.append(pods / used)
            long, timers, longest = held(gateway)
            whole.append(pods / (used + _left(gateway)))
    note = f"with TLS and all indexes; {long:.0f} of {timers:.0f} timers held for 20 ms, longest {longest * 1e3:.0f} ms"
    served = Line("first sync", "Pods for each CPU second", "1/s", None, Spread.of(rates), above(25_000, "1/s"), note)
    note = "until it rests: what was left of the snapshot, memory given back"
    return [served, Line("first sync", "the same with all that follows", "1/s", None, Spread.of(whole), None, note)]


def _left(gateway: Gateway) -> float:
    """CPU seconds a gateway goes on using once its members are read, beyond what it uses at rest."""
    pid = gateway.process.pid
    time.sleep(_LEFT)
    done = cpu_seconds(pid)
    time.sleep(_LEFT)
    at_rest = cpu_seconds(pid) - done
    return max(0.0, done - gateway.synced.cpu - at_rest)
