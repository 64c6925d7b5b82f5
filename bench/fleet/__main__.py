"""How memory and time grow with Pods and members: gateways alone over fast members.

`python -m bench.fleet` goes from a thousand Pods to a million, and from one member to two hundred;
`python -m bench.fleet 20000x20 1000000x10:0` measures those sizes only: PODS, MEMBERS, and the megabytes of objects
that are not compressed (`all`: none are; without them both). No kube-apiserver stands beside it: it would not fit. A
million Pods need 5 GB and a quarter of an hour; 200,000 uncompressed ones 5 GB as well.
"""

import argparse
import json
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from bench.fleet.figures import Figures, measure
from bench.fleet.report import Trials, document, text, trials_of
from bench.fleet.size import SERIES, Size
from bench.interpreter import interpreter
from bench.meter import CLIENT_CORES
from bench.report import write_json
from bench.servers import FastMembers, Gateway
from tests.e2e.environment.build import say
from tests.e2e.environment.process import remove_folder, temporary_folder


def _measured(sizes: Sequence[Size], folder: Path, timeout: float) -> Iterator[tuple[Size, Figures]]:
    """Of sizes one after the other; those of one fleet share its members. One that cannot run says why."""
    for (pods, members), same in groupby(sorted(sizes), key=attrgetter("fleet")):
        say(f"{pods} Pods in {members} fast members")
        place = folder / f"{pods}-{members}"
        with FastMembers(place / "members", first=0, end=pods, members=members) as fast:
            for size in same:
                try:
                    yield size, _trial(size, fast, place / f"{size.megabytes}", timeout)
                except (OSError, RuntimeError, TimeoutError):
                    traceback.print_exc()
        remove_folder(place)


def _trial(size: Size, fast: FastMembers, folder: Path, timeout: float) -> Figures:
    say(f"a gateway, {size.kept}")
    began = time.monotonic()
    with Gateway(folder, fast.kubeconfigs, uncompressed=size.megabytes, timeout=timeout) as gateway:
        return measure(gateway, size, time.monotonic() - began)


def _about() -> list[str]:
    return [
        "Pods of 10 KB in fast members (a fake that speaks list and watch over TLS); a gateway alone, with the "
        "embedded store, on core 0, all else on core 1. TLS with client certificates, RBAC, audit and metrics on.",
        "hot: no object is compressed; cold: all are. Times are CPU of the gateway but for first byte, p50 and p99. "
        "GET: CPU while 16 connections ask for one Pod; p50 and p99 of GETs of Pods all over the fleet, one at a time.",
        "Table: rows of objects that are not compressed are kept once they were asked for; the first Table makes them. "
        "peak: until the first request; after: once all was asked; settling: after the first sync until memory shrinks "
        "no more; growth: by how much the peak of an answer lies above what was held before it.",
        "held: the longest time for which the event loop kept a timer waiting by its own work, in the first sync and "
        "in all, and how many of its timers it kept for more than 20 ms.",
        f"{interpreter()}; {os.cpu_count()} cores; load is that of the machine after each trial.",
    ]


def _write(trials: Trials, out: Path) -> str:
    """Write the table and the document; returns the table."""
    about = _about()
    table = "\n".join([*about, "", text(trials), ""])
    out.parent.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_json(out, document(trials, {"time": now, "conditions": about}))
    out.with_suffix(".txt").write_text(table)
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="*", default=SERIES, metavar="SIZE", help=f"default: {' '.join(SERIES)}")
    parser.add_argument(
        "--out", type=Path, default=Path("build/bench/fleet.json"), help="of the table as well, as .txt"
    )
    parser.add_argument("--add", action="store_true", help="keep what that file says of other sizes")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for a first sync")
    arguments = parser.parse_args()
    try:
        arguments.sizes = sorted({size for text in arguments.sizes for size in Size.parse(text)})
    except ValueError as error:
        parser.error(str(error))
    return arguments


def main() -> None:
    """Measure every size, and write the table anew after each."""
    arguments = _arguments()
    known = arguments.add and arguments.out.exists()
    trials = trials_of(json.loads(arguments.out.read_text())) if known else {}
    table = "nothing could be measured"
    folder = temporary_folder("fleetgate-fleet-")
    os.sched_setaffinity(0, CLIENT_CORES)
    try:
        for size, figures in _measured(arguments.sizes, folder, arguments.timeout):
            trials[size] = figures
            table = _write(trials, arguments.out)
    finally:
        remove_folder(folder)
    print(table)
    say(f"written: {arguments.out} and .txt")


if __name__ == "__main__":
    main()
