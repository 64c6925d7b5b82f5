"""`fleetgate join`, `unjoin` and `clusters`: their arguments.

Neighbours: `gateway/cli.py` adds the parsers and calls `run_clusters`; `gateway/cli_members.py` carries the commands
out and is imported only then, so that `fleetgate --help` answers at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gateway.config import DEFAULT_DATA_DIR

_JOIN_EXAMPLES = """\
examples:
  fleetgate join member1 --kubeconfig ~/.kube/member1.config
  fleetgate join member2 --kubeconfig ~/.kube/config --context member2
  fleetgate join member1 --kubeconfig new.config      the same again: replaces address and credentials
"""
_UNJOIN_EXAMPLES = """\
example:
  fleetgate unjoin member1
"""
_CLUSTERS_EXAMPLES = """\
examples:
  fleetgate clusters
  fleetgate clusters --gateway alice.kubeconfig -o json
"""


def add_clusters_parsers(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `join`, `unjoin` and `clusters`. Parsed arguments go to `run_clusters`."""
    join = _add(subparsers, "join", "make a cluster a member of the fleet", _JOIN_EXAMPLES)
    join.add_argument("name", metavar="NAME", help="the member's name: lower case letters, digits and '-'")
    join.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="how to reach the member")
    join.add_argument("--context", metavar="C", help="a context of that file (default: its current one)")
    join.add_argument(
        "--wait",
        type=float,
        default=15.0,
        metavar="SECONDS",
        help="how long to wait until the gateway has the member's objects (default: 15)",
    )
    leaving = "take a member out of the fleet; Karmada, where it runs, removes what it made there"
    unjoin = _add(subparsers, "unjoin", leaving, _UNJOIN_EXAMPLES)
    unjoin.add_argument("name", metavar="NAME", help="the member's name")
    clusters = _add(
        subparsers, "clusters", "show the members, whether they answer and how fresh they are", _CLUSTERS_EXAMPLES
    )
    clusters.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")


def run_clusters(args: argparse.Namespace) -> int:
    """Run a parsed command of this module and return its exit code: 0 done, 1 refused or failed."""
    from gateway.cli_members import run

    return run(args)


def _add(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, examples: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--gateway",
        type=Path,
        metavar="FILE",
        help="the gateway's kubeconfig (default: $KUBECONFIG, else the data dir's)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help=f"the gateway's data, if it runs here (default: {DEFAULT_DATA_DIR})",
    )
    return parser
