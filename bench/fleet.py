"""A gateway alone over many Pods, compressed or not: `python -m bench.fleet PODS`.

Prints CPU time and memory for each Pod of the first sync, and what lists cost: over compressed Pods they must not hold
them unpacked. No kube-apiserver stands beside it: it would not fit.
"""

import argparse
import os
import time
from collections.abc import Mapping

from bench import corpus, operations
from bench.measure import Sample, sample
from bench.meter import CLIENT_CORES, settled_bytes
from bench.servers import FastMembers, Gateway
from tests.e2e.environment.build import say
from tests.e2e.environment.process import remove_folder, temporary_folder

_LISTS: Mapping[str, operations.Operation] = {
    "GET, a hundred": operations.get_many(1, 100),
    "LIST of a namespace": lambda connection: connection.get(f"/api/v1/namespaces/{corpus.namespace(1)}/pods"),
    "LIST JSON": operations.list_json,
    "LIST Table": operations.list_table,
}


def _line(name: str, taken: Sample) -> str:
    return (
        f"{name:22} {taken.cpu:8.2f} s CPU {taken.wall:8.2f} s, first byte {taken.first_byte * 1e3:.0f} ms, "
        f"{taken.size / 1e6:.0f} MB, memory growth {taken.growth / 1e6:.1f} MB"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("pods", type=int)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--uncompressed", type=int, default=0, help="megabytes; default: 0")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds for the first sync")
    arguments = parser.parse_args()
    pods = arguments.pods
    folder = temporary_folder("fleetgate-fleet-")
    os.sched_setaffinity(0, CLIENT_CORES)
    try:
        say(f"{pods} Pods in {arguments.members} fast members")
        with FastMembers(folder / "members", first=0, end=pods, members=arguments.members) as fast:
            began = time.monotonic()
            with Gateway(
                folder / "gateway", fast.kubeconfigs, uncompressed=arguments.uncompressed, timeout=arguments.timeout
            ) as gateway:
                cpu = (gateway.synced.cpu - gateway.empty.cpu) / pods
                print(f"first sync: {cpu * 1e6:.0f} us CPU for each Pod, {time.monotonic() - began:.0f} s", flush=True)
                memory = settled_bytes(gateway.process.pid) - gateway.empty.memory
                print(f"memory: {memory / pods:.0f} bytes for each Pod, {memory / 1e9:.2f} GB", flush=True)
                for name, operation in _LISTS.items():
                    print(_line(name, sample(gateway.target, operation)), flush=True)
    finally:
        remove_folder(folder)


if __name__ == "__main__":
    main()
