"""`fleetgate demo`: its arguments, and the words in which it ends.

Neighbours: `gateway/cli.py` adds the parser and calls `run_demo`; `gateway/simulation/demo.py` does the work and is
imported only then, so that `fleetgate --help` answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from gateway.config import DEFAULT_DATA_DIR, DEFAULT_LISTEN, parse_listen
from gateway.config_decoding import ConfigError

_EXAMPLES = """examples:
  fleetgate demo                           a gateway on 127.0.0.1:6443 and two simulated members, data in ./.fleetgate
  fleetgate demo --listen 127.0.0.1:7443   on another port
  fleetgate demo --data-dir /tmp/three --members 3
"""


def add_demo_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo`. Parsed arguments go to `run_demo`."""
    demo = subparsers.add_parser(
        "demo",
        help="run a gateway with simulated member clusters",
        description="Run a gateway with simulated member clusters until Ctrl-C. Nothing that a Pod names is ever run.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    demo.add_argument(
        "--data-dir",
        type=Path,
        default=DEFAULT_DATA_DIR,
        metavar="DIR",
        help=f"where everything is kept (default {DEFAULT_DATA_DIR})",
    )
    demo.add_argument(
        "--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help=f"where the gateway serves ({DEFAULT_LISTEN})"
    )
    demo.add_argument(
        "--members", type=int, metavar="N", help="simulated members (default: as many as last time, or 2)"
    )
    demo.add_argument("--log-level", default="error", choices=("debug", "info", "warning", "error"))


def run_demo(args: argparse.Namespace) -> int:
    """Run a parsed `demo` and return its exit code: 0 ended by Ctrl-C, 1 it could not run, 2 wrong usage."""
    logging.basicConfig(level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        parse_listen(args.listen)
    except ConfigError as error:
        return _fail(str(error), code=2)
    import uvloop

    from gateway import server
    from gateway.simulation.demo import DemoSettings
    from gateway.simulation.demo import run_demo as run
    from gateway.simulation.member_process import DemoError

    async def until_signalled() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await run(DemoSettings(args.data_dir, args.listen, args.members), _say, stop)

    failures = (DemoError, *server.START_FAILURES)
    try:
        uvloop.run(until_signalled())
    except failures as error:
        return _fail(_words(error))
    except BaseExceptionGroup as group:
        expected = group.subgroup(failures)
        if expected is None:
            raise
        return _fail(_words(_first(expected)))
    return 0


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _words(error: BaseException) -> str:
    return str(getattr(error, "message", None) or error)


def _say(text: str) -> None:
    print(text, flush=True)


def _fail(message: str, *, code: int = 1) -> int:
    print(f"fleetgate: {message}", file=sys.stderr)
    return code
