"""Lists of the merged view, in pages with pauses in between or whole, of the present or of what was."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cache.merged_resource import MergedList
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import parse_list_options
from tests.cache.model.timeline import Claim
from tests.cache.model.views import View

if TYPE_CHECKING:
    from tests.cache.model.world import World

LIST_WAIT = 3.0
"""Seconds for which a list may wait, for members that joined a moment ago."""
END = "\U0010ffff"
"""Behind every key."""


@dataclass(frozen=True)
class Asked:
    """How a list begins, and what follows from that."""

    query: Mapping[str, str] = field(default_factory=dict)
    version: int = 0
    """The very version it has to be of; 0: no older one than there is when it is asked for."""
    limited: bool = True
    """Whether it is read in pages."""
    goes_on: bool = False
    """Whether a list that expired is gone on with as the rest of the present; otherwise it is begun anew."""


NEWEST = Asked()


def asked_at(version: int, how: str) -> Asked:
    """A list that names a version, which was issued."""
    at = {"resourceVersion": str(version)}
    match how:
        case "exact":
            return Asked(at | {"resourceVersionMatch": "Exact"}, version)
        case "exact by limit":
            return Asked(at, version)
        case "not older":
            return Asked(at | {"resourceVersionMatch": "NotOlderThan"})
        case "any":
            return Asked({"resourceVersion": "0"}, limited=False)  # such a list has no pages, whatever the limit
        case "whole":
            return Asked(limited=False)
        case "go on":
            return Asked(goes_on=True)
        case _:
            raise ValueError(how)


async def read_pages(
    world: "World", view: View, who: str, pause: Callable[[], float], asked: Asked = NEWEST
) -> tuple[dict[str, bytes], int]:
    """List in pages of one to four with pauses in between; begin anew when that took too long."""
    while True:
        pager = Pager(world, view, who, asked)
        try:
            return await pager.read(pause)
        except ApiError as error:
            if error.code != 410 or not world.forgetful:
                raise AssertionError(f"{who}: {error}") from error
            asked = NEWEST


class Pager:
    """One list. Mutable state: where it stands, and what was found."""

    def __init__(self, world: "World", view: View, who: str, asked: Asked) -> None:
        self._world = world
        self._view = view
        self._who = who
        self._asked = asked
        self._version = asked.version
        self._after = ""
        self._found: dict[str, bytes] = {}

    async def read(self, pause: Callable[[], float]) -> tuple[dict[str, bytes], int]:
        """Read to the end; returns what there was, and at which version. Raises ApiError when that cannot be told."""
        query = dict(self._asked.query)
        while True:
            try:
                token = await self._page(query)
            except ApiError as error:
                token = self._rest(error, query)
            if not token:
                return self._found, self._version
            query = {"continue": token}
            await asyncio.sleep(pause())

    def _rest(self, error: ApiError, query: Mapping[str, str]) -> str:
        """The token for the rest of the present, when a list has expired that is to go on nevertheless."""
        offered = (error.status["metadata"] or {}).get("continue", "")
        assert bool(offered) == (error.code == 410 and "continue" in query), f"{self._who}: {error.status}"
        assert self._version or not offered, f"{self._who}: the rest of the present has expired"
        if not self._asked.goes_on or not offered:
            raise error
        self._version = 0
        return str(offered)

    async def _page(self, query: Mapping[str, str]) -> str:
        """Read one page and claim it; returns the token of the next."""
        world, view, who = self._world, self._view, self._who
        clock = asyncio.get_running_loop().time
        limit = world.random.randint(1, 4)
        began, newest = clock(), world.revision()
        options = parse_list_options({**view.query, "limit": str(limit), **query}, watch=False)
        if not self._asked.limited and "resourceVersion" not in query:
            options = parse_list_options({**view.query, **query}, watch=False)
        page = await world.pods.list(view.namespace, options, visible=view.visible, binding="reader")
        assert clock() - began <= LIST_WAIT, f"{who} waited for {clock() - began} s"
        world.check_warnings(page.stale, view.visible)
        version = int(page.resource_version)
        assert version == self._version or (not self._version and version >= newest), (
            f"{who}: {version}, which should be {self._version or newest}"
        )
        self._version = version
        if self._asked.limited:
            assert len(page.items) <= limit
            assert not page.continue_token or len(page.items) == limit, f"{who}: a page is not full, and more follow"
        else:
            assert not page.continue_token, f"{who}: a whole list is but a page"
        self._claim(page)
        return page.continue_token

    def _claim(self, page: MergedList) -> None:
        bodies = {obj.key: self._world.pods.object(obj) for obj in page.items}
        assert list(bodies) == sorted(bodies), "pages are in the order of keys"
        assert len(bodies) == len(page.items), f"{self._who}: something is on a page twice"
        assert not self._found.keys() & bodies.keys(), f"{self._who}: something is on two pages"
        up_to = list(bodies)[-1] if page.continue_token else END
        claim = Claim(self._who, self._version, bodies, self._view.wanted, self._after, up_to)
        if page.continue_token:
            claim.promised = self._view.within
        if self._view.counted and page.continue_token:
            assert page.remaining, f"{self._who}: nothing remains, and more is promised"
            claim.remaining = page.remaining
        else:
            assert page.remaining is None, f"{self._who}: it is said how many remain"
        self._world.timeline.claims.append(claim)
        self._found |= bodies
        self._after = up_to
