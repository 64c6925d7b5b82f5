"""A TCP proxy on loopback whose line can be cut, held, or slow: what stands between a gateway and a member."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass

from tests.e2e.environment.ports import free_port


@dataclass(frozen=True)
class Line:
    """How the line is now.

    Attributes:
        up: Whether there are connections at all.
        held: Whether bytes and ends stay on the way, and nobody is told.
        bytes_per_second: How fast each direction of a connection is; 0 for as fast as it can.
        latency: Seconds that whatever comes after a silence is late.
    """

    up: bool = True
    held: bool = False
    bytes_per_second: int = 0
    latency: float = 0.0


# Small, so that a slow line is even rather than a full second at once.
SLOW_CHUNK = 256
CHUNK = 64 * 1024


class TcpProxy:
    """Passes connections on to a port of this machine."""

    def __init__(self, target_port: int) -> None:
        """It passes on from the start."""
        self.port = free_port()
        self._target = ("127.0.0.1", target_port)
        self._changed = threading.Condition()
        self._line = Line()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def pass_on(self) -> None:
        """The line is whole. What was held goes on its way, the ends of connections too."""
        self._become(Line())

    def hold(self) -> None:
        """Everything stays on its way: connections are accepted, nothing is answered, and no end is heard of."""
        self._become(Line(held=True))

    def slow(self, *, bytes_per_second: int, latency: float) -> None:
        """Everything arrives, late and slowly."""
        self._become(Line(bytes_per_second=bytes_per_second, latency=latency))

    def cut(self) -> None:
        """All connections end now, and each new one at once."""
        self._become(Line(up=False))
        with self._changed:
            ended, self._open = self._open, set()
        for one in ended:
            _end(one)

    def turn_to(self, port: int) -> None:
        """All connections end now; new ones lead elsewhere."""
        self.cut()
        self._target = ("127.0.0.1", port)
        self.pass_on()

    def close(self) -> None:
        """End everything."""
        _end(self._listener)
        self.cut()

    def _become(self, line: Line) -> None:
        with self._changed:
            self._line = line
            self._changed.notify_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if not self._released().up:
            _end(client)
            return
        try:
            server = socket.create_connection(self._target)
        except OSError:
            _end(client)
            return
        with self._changed:
            up = self._line.up
            self._open |= {client, server} if up else set()
        if not up:
            _end(client)
            _end(server)
            return
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=[source, sink], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass on one direction; the end of either is the end of both."""
        heard = time.monotonic()
        with contextlib.suppress(OSError):  # it may have ended before this has begun
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(SLOW_CHUNK if self._line.bytes_per_second else CHUNK):
                line = self._released()
                if time.monotonic() - heard > line.latency:
                    time.sleep(line.latency)
                if line.bytes_per_second:
                    time.sleep(len(data) / line.bytes_per_second)
                sink.sendall(data)
                heard = time.monotonic()
        self._released()
        with self._changed:
            self._open -= {source, sink}
        _end(source)
        _end(sink)

    def _released(self) -> Line:
        """The line as it is, once it is not held."""
        with self._changed:
            self._changed.wait_for(lambda: not self._line.held)
            return self._line


def _end(one: socket.socket) -> None:
    # A shutdown wakes the thread that reads from it, which a close alone does not.
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
