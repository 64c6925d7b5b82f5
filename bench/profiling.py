"""Where the gateway's time goes: `python -m bench.profiling OPERATION`, with py-spy (`pip install py-spy`) on the path.

Repeats an operation for some seconds and prints the functions in which the samples of the event loop's thread lie, by
their own time and with all they call.
"""

import argparse
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from bench import corpus, operations
from bench.client import Connection
from bench.load import Load
from bench.meter import cpu_seconds
from bench.options import REAL_PODS, Options
from bench.rows.fanout import watch_path
from bench.rows.proxied import patch
from bench.stage import Stage
from tests.e2e.environment.build import say

_WATCHERS, _CHANGES = 200, 100
"""Clients, and changes a second, of the operation `fanout`."""
_MAIN = "_run_module_as_main"
"""The root of the event loop's thread."""
_MEMBER_FILE_PERIOD = 6.0
"""Seconds after which a gateway has looked at the file of its members."""

Work = Callable[[Stage, threading.Event], None]


def _repeated(operation: operations.Operation) -> Work:
    def work(stage: Stage, done: threading.Event) -> None:
        while not done.is_set():
            with Connection(stage.gateway.target.endpoint) as connection:
                operation(connection)

    return work


def _reads(path: str) -> Work:
    def work(stage: Stage, done: threading.Event) -> None:
        with Load(stage.load, stage.gateway.target.endpoint, path, connections=16, mode="read"):
            done.wait()

    return work


def _writes(stage: Stage, done: threading.Event) -> None:
    with Connection(stage.gateway.target.endpoint) as connection:
        while not done.is_set():
            patch(connection)


def _fan_out(stage: Stage, done: threading.Event) -> None:
    path = watch_path(stage.gateway.target)
    with Load(stage.load, stage.gateway.target.endpoint, path, connections=_WATCHERS):
        number = 0
        while not done.wait(1 / _CHANGES):
            stage.fast.change(REAL_PODS + number % 900)
            number += 1


def _sync(stage: Stage, done: threading.Event) -> None:
    """Take the fast members away, and give them back."""
    while not done.is_set():
        stage.gateway.join([stage.real.member_plane.kubeconfig])
        done.wait(_MEMBER_FILE_PERIOD)
        stage.gateway.join(stage.member_kubeconfigs)
        done.wait(_MEMBER_FILE_PERIOD)
    stage.gateway.join(stage.member_kubeconfigs)
    time.sleep(_MEMBER_FILE_PERIOD)


OPERATIONS: Mapping[str, Work] = {
    "list": _repeated(operations.list_json),
    "gzip": _repeated(operations.list_gzip),
    "table": _repeated(operations.list_table),
    "watchlist": _repeated(operations.watch_list),
    "label": _repeated(operations.by_label),
    "field": _repeated(operations.by_field),
    "get": _reads(corpus.path(REAL_PODS + 7)),
    "read": _reads(f"/clusters/real{corpus.path(2)}"),
    "write": _writes,
    "fanout": _fan_out,
    "sync": _sync,
}


def _record(stage: Stage, work: Work, seconds: int) -> tuple[list[str], float]:
    done = threading.Event()
    thread = threading.Thread(target=work, args=(stage, done))
    thread.start()
    time.sleep(1)
    pid = stage.gateway.process.pid
    with tempfile.NamedTemporaryFile("r") as file:
        before = cpu_seconds(pid)
        command = ["py-spy", "record", "--pid", str(pid), "--duration", str(seconds), "--rate", "200"]
        command += ["--function", "--format", "raw", "--output", file.name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        used = cpu_seconds(pid) - before
        # Threads that wait for work look busy to py-spy; what they do at all is little.
        stacks = [line for line in file.read().splitlines() if line.startswith(_MAIN)]
    done.set()
    thread.join()
    return stacks, used / seconds


def _print(stacks: list[str], top: int) -> None:
    own: Counter[str] = Counter()
    inclusive: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if not frame.startswith("with_")]
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
    with Stage(Options(arguments.pods, arguments.members)) as stage:
        for operation in arguments.operation:
            say(f"profile of {operation}")
            stacks, share = _record(stage, OPERATIONS[operation], arguments.seconds)
            print(f"\n=== {operation}: {share:.0%} of a core")
            _print(stacks, arguments.top)


if __name__ == "__main__":
    main()
