"""Starts the environment for trying things by hand: `python -m tests.e2e.environment.up`; Ctrl-C ends it."""

import argparse
import json
import signal
import sys
import time

from tests.e2e.environment.build import built_programs, say
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.seed import create_pods, wait_for_pods


def main() -> None:
    """Start a federation and its members, print where they are (JSON on standard output), and wait for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.environment.up", description=main.__doc__)
    parser.add_argument("--members", type=int, default=2, metavar="N", help="member clusters (default 2)")
    parser.add_argument("--nodes", type=int, default=3, metavar="N", help="nodes in each member (default 3)")
    parser.add_argument("--pods", type=int, default=0, metavar="N", help="Pods to create in each member (default 0)")
    arguments = parser.parse_args()
    # A plain kill ends it as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        up(arguments.members, arguments.nodes, arguments.pods)
    except KeyboardInterrupt:
        say("ended")


def up(members: int, nodes: int, pods: int) -> None:
    """Start and fill everything, say where it is, and wait until interrupted."""
    programs = built_programs()
    started = time.monotonic()
    with Fleet(programs, members=members, nodes=nodes) as fleet:
        say(f"{members + 1} control planes are ready after {time.monotonic() - started:.1f} s")
        if pods:
            started = time.monotonic()
            for member in fleet.members.values():
                create_pods(member, pods, nodes=nodes)
            for member in fleet.members.values():
                wait_for_pods(member)
            say(f"{pods} Pods run in each member after {time.monotonic() - started:.1f} s")
        planes = [fleet.federation, *fleet.members.values()]
        described = {
            "folder": str(fleet.folder),
            "kubectl": str(programs["kubectl"]),
            "clusters": {
                plane.name: {"kubeconfig": str(plane.kubeconfig), "url": plane.url, "pid": plane.pid}
                for plane in planes
            },
        }
        json.dump(described, sys.stdout)
        print(flush=True)
        for plane in planes:
            say(f"{plane.name:12} export KUBECONFIG={plane.kubeconfig}")
        say("Ctrl-C ends it")
        signal.pause()


if __name__ == "__main__":
    main()
