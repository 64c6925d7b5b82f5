"""Reads one resource of a member by pages: each within a time, of a size that fits, and not without an end.

What the objects mean is not known here; the reflector takes the pages as they come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from cache.lister_watcher import Expired, ListerWatcher, ListWatchError, TooLarge, Unavailable
from cache.member_answers import Page, read_page
from cache.turns import Turns

_LISTS = 3
"""How often a list is begun that expires before it is complete."""
_FEWER = 10
"""By how much fewer objects are asked for where a page of them is too large."""
_OVERFULL_PAUSE = 600.0
"""Seconds until a member that has too much is looked at again: all of it is read for that."""
_LEAST_PAGE = 1 << 16
"""Bytes that a page counts for at least, so that pages without objects come to an end as well."""


class Silent(ListWatchError):
    """The member is frozen: it does not answer."""


class Overfull(Unavailable):
    """The member has more than it may: what is beyond is not taken, and what is known may be out of date."""

    def __init__(self, most: int) -> None:
        """`most` is what it may have, in bytes."""
        super().__init__(f"it has more than {most >> 20} MiB of this kind", _OVERFULL_PAUSE)


class PageReader:
    """Lists of one resource.

    Mutable state: how many objects a page may have to be small enough, and how often the present list has expired.
    """

    def __init__(
        self,
        lister_watcher: ListerWatcher,
        heard: Callable[[], None],
        *,
        page_size: int,
        page_timeout: float,
        most: int,
        turns: Turns,
    ) -> None:
        """`heard` is called with each answer; `page_timeout` is in seconds, `most` the bytes of a list.

        Pages are decoded in `turns`: those of many members would add up.
        """
        self._lister_watcher = lister_watcher
        self._heard = heard
        self._page_size = page_size
        self._page_timeout = page_timeout
        self._most = most
        self._turns = turns
        self._expired = 0

    async def page(self, limit: int, token: str = "") -> Page:
        """One page. Raises ListWatchError."""
        return read_page(await self._body(limit, token))

    async def pages(self) -> AsyncGenerator[Page, None]:
        """The pages of a complete list. Raises Overfull when they never end, or nearly so, and any ListWatchError."""
        limit = 0 if self._expired == _LISTS - 1 else self._page_size
        token, size = "", 0
        while True:
            body = await self._body(limit, token)
            size += max(len(body), _LEAST_PAGE)
            if size > self._most:
                raise Overfull(self._most)
            await self._turns.take()
            page = read_page(body)
            token = page.metadata.token
            yield page
            if not token:
                self._expired = 0
                return

    async def weigh(self) -> None:
        """Read everything and keep nothing of it. Raises Overfull as long as there is too much."""
        async with aclosing(self.pages()) as pages:
            async for _ in pages:
                pass

    def otherwise(self, error: Expired | TooLarge) -> None:
        """Have the list that failed read in another way when it is begun anew.

        One that expires is begun once more and then read in one piece; where a page is too large there are smaller
        ones, from then on. Raises ListWatchError when nothing is left to be tried.
        """
        in_one_piece, self._expired = self._expired == _LISTS - 1, self._expired + 1
        if isinstance(error, Expired):
            if in_one_piece:
                self._expired = 0
                raise Unavailable("lists of the member expire before they are complete") from None
            return
        self._expired = 0
        if in_one_piece or self._page_size < _FEWER:
            raise error
        self._page_size //= _FEWER

    async def _body(self, limit: int, token: str) -> bytes:
        try:
            async with asyncio.timeout(self._page_timeout):
                body = await self._lister_watcher.list(limit=limit, continue_token=token)
        except TimeoutError:
            raise Silent(f"no answer to a list within {self._page_timeout:g}s") from None
        self._heard()
        return body
