"""Where the gateway's time goes: `python -m bench.profiling OPERATION`, with py-spy (`pip install py-spy`) on the path.

Repeats an operation for some seconds over fast members and prints the functions in which the samples lie, by their own
time and with all they call.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import corpus, operations
from bench.client import Connection
from bench.load import Load
from bench.load_program import load_program
from bench.meter import CLIENT_CORES, cpu_seconds
from bench.rows.fanout import watch_path
from bench.servers import FastMembers, Gateway
from tests.e2e.environment.build import say

_WATCHERS, _CHANGES = 200, 100
"""Clients, and changes a second, of the operation `fanout`."""

Work = Callable[[Gateway, FastMembers, threading.Event], None]


def _repeated(operation: operations.Operation) -> Work:
    def work(gateway: Gateway, _fast: FastMembers, done: threading.Event) -> None:
        while not done.is_set():
            with Connection(gateway.target.endpoint) as connection:
                operation(connection)

    return work


def _get(gateway: Gateway, _fast: FastMembers, done: threading.Event) -> None:
    with Load(load_program(), gateway.target.endpoint, corpus.path(7), connections=16, mode="read"):
        done.wait()


def _fan_out(gateway: Gateway, fast: FastMembers, done: threading.Event) -> None:
    path = watch_path(gateway.target)
    with Load(load_program(), gateway.target.endpoint, path, connections=_WATCHERS):
        number = 0
        while not done.wait(1 / _CHANGES):
            fast.change(number % 1000)
            number += 1


OPERATIONS: Mapping[str, Work] = {
    "list": _repeated(operations.list_json),
    "gzip": _repeated(operations.list_gzip),
    "table": _repeated(operations.list_table),
    "watchlist": _repeated(operations.watch_list),
    "label": _repeated(operations.by_label),
    "field": _repeated(operations.by_field),
    "get": _get,
    "fanout": _fan_out,
}


def _record(gateway: Gateway, fast: FastMembers, work: Work, seconds: int) -> tuple[list[str], float]:
    done = threading.Event()
    thread = threading.Thread(target=work, args=(gateway, fast, done))
    thread.start()
    time.sleep(1)
    pid = gateway.process.pid
    with tempfile.NamedTemporaryFile("r") as file:
        before = cpu_seconds(pid)
        command = ["py-spy", "record", "--pid", str(pid), "--duration", str(seconds), "--rate", "200"]
        subprocess.run([*command, "--native", "--format", "raw", "--output", file.name], check=True, stdout=sys.stderr)
        used = cpu_seconds(pid) - before
        stacks = file.read().splitlines()
    done.set()
    thread.join()
    return stacks, used / seconds


def _print(stacks: list[str], top: int) -> None:
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            inclusive[frame] += int(count)
    total = own.total()
    for title, counter in (("own time", own), ("with what is called", inclusive)):
        print(f"\n{title}")
        for frame, samples in counter.most_common(top):
            print(f"{samples / total:7.1%}  {frame}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("operation", nargs="+", choices=sorted(OPERATIONS))
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--top", type=int, default=25)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, CLIENT_CORES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            FastMembers(folder / "members", first=0, end=arguments.pods, members=arguments.members) as fast,
            Gateway(folder / "gateway", fast.kubeconfigs) as gateway,
        ):
            for operation in arguments.operation:
                say(f"profile of {operation}")
                stacks, share = _record(gateway, fast, OPERATIONS[operation], arguments.seconds)
                print(f"\n=== {operation}: {share:.0%} of a core")
                _print(stacks, arguments.top)


if __name__ == "__main__":
    main()
