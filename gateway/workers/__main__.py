"""`python -m gateway.workers CHANNEL HANDOVER LISTENING…`: a worker, on sockets that the core left to it."""

from __future__ import annotations

import logging
import socket
import sys

import uvloop

from gateway.workers.process import Sockets, run_worker


def main(numbers: list[int]) -> None:
    """Run a worker; the arguments are numbers of open files."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    channel, handover, *listening = (socket.socket(fileno=number) for number in numbers)
    uvloop.run(run_worker(Sockets(channel, handover, listening)))


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
