"""How a worker gives the core a connection of its own for one of its clients: a socket, with whose it is.

The socket is sent over another one that only the two processes have, so nobody else can claim to be somebody's worker,
and whose connection it is stands beside the bytes, not among them: no header can say it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

import msgspec

from gateway.workers.messages import Peer

_MESSAGE = 1 << 16
"""Bytes: a certificate with its client's address."""
_AT_ONCE = 64
_RETRY = 0.002
"""Seconds. Hundreds are under way while the core has not looked: a turn of its loop makes room."""

_log = logging.getLogger("gateway.workers")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Peer)


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the two ends over which sockets are handed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs


async def hand_over(channel: socket.socket, peer: Peer) -> socket.socket:
    """Return a connection to the core which speaks for a client. Raises OSError when there is no core."""
    ours, theirs = socket.socketpair()
    try:
        message = _encoder.encode(peer)
        while True:
            try:
                socket.send_fds(channel, [message], [theirs.fileno()])
                break
            except BlockingIOError:
                await asyncio.sleep(_RETRY)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return ours


class Handovers:
    """The core's end: every socket that arrives is adopted."""

    def __init__(self, channel: socket.socket, adopt: Callable[[socket.socket, Peer], None]) -> None:
        """Listen to a channel from now on."""
        self._channel = channel
        self._adopt = adopt
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._arrived)

    def close(self) -> None:
        """Stop listening."""
        if self._channel.fileno() >= 0:
            self._loop.remove_reader(self._channel.fileno())
            self._channel.close()

    def _arrived(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, numbers, _flags, _address = socket.recv_fds(self._channel, _MESSAGE, 1)
            except BlockingIOError:
                return
            except OSError:
                message, numbers = b"", []
            if not message:
                self.close()
                return
            if not numbers:
                _log.error("a connection that a worker handed over is lost: too many files are open")
                continue
            connection = socket.socket(fileno=numbers[0])
            connection.setblocking(False)
            try:
                peer = _decoder.decode(message)
            except msgspec.MsgspecError:
                _log.exception("a worker handed over a connection without saying whose it is")
                connection.close()
                continue
            self._adopt(connection, peer)
