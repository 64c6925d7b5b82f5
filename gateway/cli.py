"""The `fleetgate` command: reads flags and the configuration file, says what went wrong in plain words, exits.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage. Starts quickly: what a subcommand needs is imported by it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli_certs import add_certs_parser, run_certs
from gateway.cli_clusters import add_clusters_parsers, run_clusters
from gateway.cli_demo import add_demo_parser, run_demo
from gateway.config import DEFAULT_DATA_DIR, DEFAULT_LISTEN, GatewayConfig, load_config, parse_listen
from gateway.config_decoding import ConfigError

if TYPE_CHECKING:
    from gateway.server import Settings

_SERVE_EXAMPLES = """examples:
  fleetgate serve                                        the embedded store, on 127.0.0.1:6443, data in ./.fleetgate
  fleetgate serve --federation-kubeconfig karmada.config Karmada's apiserver, or any other, as the federation store
  fleetgate serve --config gateway.yaml                  everything from a file (docs/configuration.md)
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="fleetgate", description="One Kubernetes API endpoint for many clusters.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"fleetgate {metadata.version('fleetgate')}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Run the gateway until SIGTERM or Ctrl-C.",
        epilog=_SERVE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("--config", type=Path, metavar="FILE", help="a GatewayConfiguration; flags override it")
    serve.add_argument(
        "--data-dir", type=Path, metavar="DIR", help=f"what the gateway keeps (default {DEFAULT_DATA_DIR})"
    )
    serve.add_argument("--listen", metavar="HOST:PORT", help=f"where to serve (default {DEFAULT_LISTEN})")
    serve.add_argument(
        "--federation-kubeconfig",
        type=Path,
        metavar="FILE",
        help="the remote store; without it the embedded one is used",
    )
    serve.add_argument("--workers", type=int, metavar="N", help="processes that share the connections (default 1)")
    serve.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    add_demo_parser(subparsers)
    add_clusters_parsers(subparsers)
    add_certs_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = build_parser().parse_args(argv)
    try:
        code = _dispatch(args)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _dispatch(args: argparse.Namespace) -> int:
    if args.command == "serve":
        return run_serve(args)
    if args.command == "demo":
        return run_demo(args)
    if args.command == "certs":
        return run_certs(args)
    return run_clusters(args)


def run_serve(args: argparse.Namespace) -> int:
    """Run `fleetgate serve`."""
    logging.basicConfig(level=args.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        config = load_config(args.config) if args.config else GatewayConfig()
        listen = args.listen or config.serving.listen
        parse_listen(listen)
        if args.workers is not None:
            config = replace(config, serving=replace(config.serving, workers=args.workers))
    except (ConfigError, ValueError) as error:
        return _fail(str(error), code=2)
    from gateway import server

    kubeconfig = args.federation_kubeconfig or (
        Path(config.federation.kubeconfig) if config.federation.kubeconfig else None
    )
    data_dir = args.data_dir or (Path(config.data_dir) if config.data_dir else DEFAULT_DATA_DIR)
    settings = server.Settings(config, data_dir, listen, kubeconfig)
    return _run(settings)


def _run(settings: Settings) -> int:
    import uvloop

    from gateway import server

    def announce(ready: server.Ready) -> None:
        hint = f"kubectl --kubeconfig {ready.kubeconfig} get pods -A"
        print(f"fleetgate is ready at {ready.url}; try: {hint}", flush=True)

    async def until_signalled(settings: Settings) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await server.serve(settings, stop, announce)

    try:
        uvloop.run(until_signalled(settings))
    except server.START_FAILURES as error:
        return _fail(_explain(error))
    except BaseExceptionGroup as group:
        failures = group.subgroup(server.START_FAILURES)
        if failures is None:
            raise
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        return _fail(_explain(first))
    return 0


def _explain(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the address is in use by another program; choose another with --listen, for example 127.0.0.1:7443"
    if isinstance(error, OSError) and error.errno in {errno.EADDRNOTAVAIL, errno.EACCES} and error.filename is None:
        return f"cannot listen there: {error.strerror}; choose another address with --listen"
    return str(error)


def _fail(message: str, *, code: int = 1) -> int:
    print(f"fleetgate: {message}", file=sys.stderr)
    return code
