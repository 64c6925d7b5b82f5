"""The connections to one API server on which nothing is asked at the moment.

aiohttp's connector would keep them as well; it costs more, and uses the one next that has waited longest.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp.connector import Connection


class RestingConnections:
    """Connections that wait for their next request, the last one used first: its peer and its memory are the warmest.

    Args:
        keepalive: seconds after which one that rests is closed.
    """

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._connections: deque[tuple[Connection, float]] = deque()  # and since when, oldest first
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> Connection | None:
        """Return one on which a request can be sent, None when there is none.

        One whose peer has sent something nobody asked for is closed: it would be taken for the next answer.
        """
        while self._connections:
            connection, _ = self._connections.pop()
            if _usable(connection):
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """Keep one whose answer was read, if it can be used again."""
        if not _usable(connection):
            connection.close()
            return
        loop = asyncio.get_running_loop()
        self._connections.append((connection, loop.time()))
        if self._timer is None:
            self._timer = loop.call_later(self._keepalive, self._close_old)

    def close(self) -> None:
        """Close all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._connections:
            self._connections.pop()[0].close()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._connections:
            connection, since = self._connections[0]
            if since + self._keepalive > loop.time():
                self._timer = loop.call_at(since + self._keepalive, self._close_old)
                return
            self._connections.popleft()
            connection.close()


def _usable(connection: Connection) -> bool:
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close
