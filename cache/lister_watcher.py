"""The port through which the cache reads one resource of one member; implemented over HTTP by gateway.clusters.

The cache owns it, so that it depends on nothing that speaks HTTP. Implementations map every failure of transport and
protocol to the errors below.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from gateway.apimachinery.schema import GroupVersionResource


class ListWatchError(Exception):
    """A list or watch that did not work; the text says why in plain words."""


class Expired(ListWatchError):
    """410: the version or continue token is too old."""


class NotServed(ListWatchError):
    """404: the member has no such resource."""


class Unavailable(ListWatchError):
    """Anything else: no connection, no permission, an error of the member."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """`retry_after` is the pause in seconds that the member asked for."""
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(Unavailable):
    """The answer to a list has more bytes than are read; fewer objects at a time may do."""


class ListerWatcher(Protocol):
    """One resource of one member."""

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        """Return a page of a consistent list (no resourceVersion) as JSON; `limit` 0 asks for everything.

        Raises ListWatchError. Must give up by itself when no connection can be made, and read no more than memory
        allows: TooLarge.
        """
        ...

    def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        """Watch from a version, with bookmarks, as JSON lines.

        Yields `b""` as soon as the answer's headers are in, then chunks of its body as they come, cut anywhere. Must
        have no read timeout of its own: silence is judged by the cache, which then closes the generator. Ends when the
        member ends the answer in order; raises ListWatchError when it breaks off.
        """
        ...


ListerWatcherFactory = Callable[[GroupVersionResource], ListerWatcher]
