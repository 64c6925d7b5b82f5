"""`python -m gateway.simulation.member`: one simulated member cluster, started by `fleetgate demo` or by hand.

Says in one line on standard output where it serves, or in one on standard error why it does not.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from certs import commands as certificates
from certs.errors import CertsError
from gateway.audit.file import AuditInUse, AuditUnusable
from gateway.simulation.member.server import MemberSettings, serve_member
from gateway.storage.interface import StorageError

START_FAILURES = (CertsError, StorageError, AuditInUse, AuditUnusable, OSError)
"""What may keep a member from starting; their texts are made for people."""


class _Lifeline(asyncio.Protocol):
    """Ends the member when standard input does: then whoever started it is gone, however that happened."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop.set()


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m gateway.simulation.member", description="Run a simulated member.")
    parser.add_argument("--name", required=True, help="the member's name")
    parser.add_argument("--number", type=int, required=True, help="1 to 254, different for each member")
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="what the member keeps")
    parser.add_argument("--lifeline", action="store_true", help="end when standard input is closed")
    return parser.parse_args(argv)


def last_port(data_dir: Path) -> int:
    """Return the port the member had when it ran last, 0 when it never ran. Raises CertsError."""
    url = certificates.server_url(data_dir)
    return (urlsplit(url).port or 0) if url else 0


async def run(args: argparse.Namespace) -> None:
    """Run until SIGTERM, Ctrl-C or the end of the lifeline."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if args.lifeline:
        await loop.connect_read_pipe(lambda: _Lifeline(stop), sys.stdin.buffer)
    settings = MemberSettings(args.name, args.number, args.data_dir, last_port(args.data_dir))
    await serve_member(settings, stop, lambda url: print(url, flush=True))  # noqa: T201 - the one line promised


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        uvloop.run(run(args))
    except START_FAILURES as error:
        print(f"{args.name}: {error}", file=sys.stderr)  # noqa: T201 - the one line promised
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
