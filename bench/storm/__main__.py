"""A gateway alone in a storm: `python -m bench.storm`; with more processes, with a member that goes and comes back.

Prints what every phase was like, what the gateway's log complains of, and how long its event loop was held. No
kube-apiserver stands beside it: that is the row `storm`.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from bench.meter import CLIENT_CORES
from bench.rows.stalls import held
from bench.servers import FastMembers, Gateway
from bench.storm.churn import Churn
from bench.storm.fleet import Fleet
from bench.storm.trial import Phase, Trial
from tests.e2e.environment.build import built_programs, say
from tests.e2e.environment.process import remove_folder, temporary_folder

_COMPLAINTS = ("ERROR", "CRITICAL", "Traceback", "WARNING")
_OUT_MEMBER = 1


def describe(phase: Phase) -> str:
    """All of it, for people."""
    times = phase.report["times"]
    latency = phase.report["informers"]["latency"]
    shown = {name: {key: round(value, 1) for key, value in one.items()} for name, one in times.items()}
    lines = [
        f"{phase.rate:.0f} changes/s ({phase.made:.0f} made): "
        + (f"all right after {phase.settled:.1f} s" if phase.settled is not None else f"{len(phase.wrong)} wrong"),
        f"  events {phase.counts.get('events', 0)}, p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms, "
        f"max {latency['max']:.0f} ms; relists {phase.relists} by {phase.report['informers']['relisted']}",
        f"  informers: {json.dumps({key: value for key, value in phase.counts.items() if key != 'events'})}",
        *(f"  {name}: {json.dumps(one)}" for name, one in shown.items()),
        f"  failures: {json.dumps(phase.report['failures'])}",
        f"  server {phase.cpu:.1f} s CPU, client {phase.client_cpu:.1f}, in {phase.wall:.1f} s; "
        f"RSS {phase.memory / 1e6:.0f} MB, peak {phase.peak / 1e6:.0f} MB",
        f"  wrong lists: {', '.join(phase.wrong_lists) or 'none'}",
        *phase.wrong[:5],
    ]
    return "\n".join(lines)


def _outage(source: FastMembers, seconds: float) -> "Outage":
    return Outage(source, seconds / 3, seconds * 2 / 3)


class Outage:
    """A member that goes in the first third and comes back in the last."""

    def __init__(self, source: FastMembers, begin: float, end: float) -> None:
        """Of one of the members of `source`."""
        self._source = source
        self._turns = [(begin, source.down), (end, source.up)]

    def __call__(self, now: float) -> None:
        """It is that late now."""
        if self._turns and now >= self._turns[0][0]:
            _, turn = self._turns.pop(0)
            turn(_OUT_MEMBER)
            say(f"after {now:.1f} s: member {turn.__name__}")


def _storm(arguments: argparse.Namespace, folder: Path, program: Path) -> bool:
    with (
        FastMembers(folder / "members", first=0, end=arguments.pods, members=arguments.members) as fast,
        Gateway(folder / "gateway", fast.kubeconfigs, workers=arguments.workers) as gateway,
        Fleet(
            program,
            gateway.target.endpoint,
            informers=arguments.informers,
            lists=arguments.lists,
            timeout=arguments.timeout,
        ) as fleet,
    ):
        print(f"cold start {fleet.cold_start:.1f} s; {json.dumps(fleet.first_reads)}", flush=True)
        trial = Trial(fleet, Churn(fast, arguments.pods), gateway.pids)
        right = True
        for rate in map(float, arguments.rates.split(",")):
            outage = _outage(fast, arguments.seconds) if arguments.outage else lambda _: None
            phase = trial.phase(rate, arguments.seconds, outage)
            right = right and phase.settled is not None and not phase.wrong_lists
            print(describe(phase), flush=True)
        long, timers, longest = held(gateway)
        print(f"event loop held for 20 ms by {long:.0f} of {timers:.0f} timers, longest {longest * 1e3:.0f} ms")
        log = gateway.process.log.read_text().splitlines()
        complaints = [line for line in log if any(word in line for word in _COMPLAINTS)]
        print("\n".join([f"{len(complaints)} complaints in the log", *complaints[-arguments.complaints :]]), flush=True)
    return right


def main() -> int:
    """Command line; 1 when anybody did not see the truth."""
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1, help="processes of the gateway")
    parser.add_argument("--informers", type=int, default=200)
    parser.add_argument("--lists", type=int, default=8, help="connections that list without a pause")
    parser.add_argument("--rates", default="50,500", help="changes a second, with commas")
    parser.add_argument("--seconds", type=float, default=10, help="of each rate")
    parser.add_argument("--outage", action="store_true", help="a member goes and comes back in each phase")
    parser.add_argument("--complaints", type=int, default=20, help="lines of the log to print at most")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the informers' first state")
    arguments = parser.parse_args()
    folder = temporary_folder("fleetgate-storm-")
    os.sched_setaffinity(0, CLIENT_CORES)
    try:
        return 0 if _storm(arguments, folder, built_programs()["storm"]) else 1
    finally:
        remove_folder(folder)


if __name__ == "__main__":
    sys.exit(main())
