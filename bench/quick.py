"""`make bench-quick`: CPU time of the gateway for each operation, compared with baseline.json.

Numbers of different machines and moments are made comparable by a fixed piece of work, measured in the same run: one
unit is the CPU time it takes to decode and hash that work. No kube-apiserver runs; the members are fast fakes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench import corpus, operations
from bench.interpreter import interpreter
from bench.load import Load, cpu_of_reads
from bench.load_program import load_program
from bench.measure import sample
from bench.meter import CLIENT_CORES, SERVER_CORES, cpu_seconds, on, settled_bytes
from bench.report import write_json
from bench.rows.fanout import watch_path
from bench.servers import FastMembers, Gateway
from tests.e2e.environment.build import say
from tests.e2e.environment.process import remove_folder, temporary_folder

BASELINE = Path(__file__).with_name("baseline.json")
WORSE = 1.2
_PODS, _MEMBERS, _ROUNDS = 5000, 2, 5
_WATCHERS, _CHANGES = 50, 200

Number = Callable[[Gateway, FastMembers, Path], float]


def calibration() -> float:
    """CPU seconds of the fixed work, on the servers' core and in a process of its own."""
    with on(SERVER_CORES):
        done = subprocess.run([sys.executable, "-m", "bench.quick", "--calibrate"], check=True, stdout=subprocess.PIPE)
    return float(done.stdout)


def _fixed_work() -> float:
    content = corpus.pod_json(1, 1)
    before = cpu_seconds(os.getpid())
    for _ in range(1000):
        hashlib.sha256(content * 4).digest()
        json.loads(content)
    return cpu_seconds(os.getpid()) - before


def _of(operation: operations.Operation) -> Number:
    return lambda gateway, _fast, _load: sample(gateway.target, operation).cpu


def _delivery(gateway: Gateway, fast: FastMembers, load: Path) -> float:
    with Load(load, gateway.target.endpoint, watch_path(gateway.target), connections=_WATCHERS) as watchers:
        before = cpu_seconds(gateway.process.pid)
        for number in range(_CHANGES):
            fast.change(number)
            if number % 10 == 9:
                # Ten changes at once and then a rest, so that coalescing is the same in every run.
                _await_events(watchers, 10 * _WATCHERS)
        return (cpu_seconds(gateway.process.pid) - before) / (_CHANGES * _WATCHERS)


def _await_events(watchers: Load, count: int) -> None:
    while count > 0:
        report = watchers.report()
        if report.closed:
            raise RuntimeError("the gateway has closed a watch")
        count -= report.events


NUMBERS: Mapping[str, Number] = {
    "LIST JSON": _of(operations.list_json),
    "LIST gzip": _of(operations.list_gzip),
    "LIST Table": _of(operations.list_table),
    "WatchList": _of(operations.watch_list),
    "LIST label 1%": _of(operations.by_label),
    "LIST field 1%": _of(operations.by_field),
    "GET Pod": lambda gateway, _fast, load: cpu_of_reads(load, gateway.target, corpus.path(_PODS // 2)),
    "event delivery": _delivery,
}
SYNC, MEMORY = "first sync of a Pod", "memory of a Pod (bytes)"


def measure() -> dict[str, float]:
    """Every number, in units of the fixed work; memory in bytes."""
    folder = temporary_folder("fleetgate-bench-")
    os.sched_setaffinity(0, CLIENT_CORES)
    load = load_program()
    found: dict[str, list[float]] = {name: [] for name in NUMBERS}
    try:
        say(f"{_PODS} Pods in {_MEMBERS} fast members; {interpreter()}")
        with (
            FastMembers(folder / "members", first=0, end=_PODS, members=_MEMBERS) as fast,
            Gateway(folder / "gateway", fast.kubeconfigs) as gateway,
        ):
            unit = calibration()
            memory = (settled_bytes(gateway.process.pid) - gateway.empty.memory) / _PODS
            sync = (gateway.synced.cpu - gateway.empty.cpu) / _PODS / unit
            for number in range(_ROUNDS + 1):
                # Beside each round, as the machine is then; the first one warms up.
                unit = calibration()
                for name, measured in NUMBERS.items():
                    value = measured(gateway, fast, load) / unit
                    if number:
                        found[name].append(value)
    finally:
        remove_folder(folder)
    return {name: median(values) for name, values in found.items()} | {SYNC: sync, MEMORY: memory}


def compare(now: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """What got worse: a line each."""
    print(f"{'work':26}{'now':>14}{'baseline':>14}{'change':>9}")
    worse = []
    for name, value in now.items():
        before = baseline.get(name)
        change = f"{value / before - 1:+.0%}" if before else "new"
        print(f"{name:26}{value:14.4g}{before or 0:14.4g}{change:>9}")
        if before and value > before * WORSE:
            worse.append(f"{name}: {change}")
    return worse


def main() -> int:
    """Command line; exits with 1 when something got worse by more than 20 %, twice in a row."""
    parser = argparse.ArgumentParser(prog="python -m bench.quick", description=__doc__)
    parser.add_argument("--update", action="store_true", help="make this run the baseline")
    parser.add_argument("--calibrate", action="store_true", help="print the CPU seconds of the fixed work alone")
    arguments = parser.parse_args()
    if arguments.calibrate:
        print(_fixed_work())
        return 0
    now = measure()
    if arguments.update:
        write_json(BASELINE, now)
        say(f"written: {BASELINE}")
        return 0
    baseline = json.loads(BASELINE.read_text())
    worse = compare(now, baseline)
    if worse:
        say("measuring once more: what is worse twice is not noise")
        again = measure()
        worse = compare({name: min(value, again[name]) for name, value in now.items()}, baseline)
    print("\n".join(["worse by more than 20 %:", *worse] if worse else ["nothing got worse by more than 20 %"]))
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
