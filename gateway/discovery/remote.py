"""What a remote federation store serves, followed with the gateway's own identity.

Asked every few seconds and whenever a request names something unknown; mostly the answer is a 304. While the store is
away everything known is kept: the surface must not shrink because of an outage. Callers of `refresh` share looks and
never wait for a store that was silent the last time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion
from gateway.clusters.upstream import Upstream
from gateway.discovery.parsing import (
    parse_aggregated,
    parse_group_list,
    parse_resource_list,
    stale_version,
)
from gateway.discovery.surface import ApiGroup, ApiVersion

LOOK_SPACING = 0.1
"""Least seconds between two looks, however many requests name unknown resources."""

LOOK_TIMEOUT = 5.0
"""Seconds a look may take: the documents are small, and requests wait for them."""

RETRY_INTERVAL = 2.0
"""Seconds after which a store that could not be read is asked again."""

_ROOTS = ("/api", "/apis")
_AGGREGATED = ";as=APIGroupDiscoveryList"
_ACCEPT = ",".join((
    "application/json;g=apidiscovery.k8s.io;v=v2" + _AGGREGATED,
    "application/json;g=apidiscovery.k8s.io;v=v2beta1" + _AGGREGATED,
    "application/json",
))  # fmt: skip
_PARALLEL_READS = 8  # of legacy documents; one for each group and version

_log = logging.getLogger(__name__)


class RemoteDiscovery:
    """Follows the discovery documents of a store.

    Mutable state: the groups of each root document with its ETag, changed by `_look` alone, under the lock.

    Args:
        upstream: the store.
        now: monotonic seconds.
        interval: seconds between two looks when nothing asks for one.
    """

    def __init__(self, upstream: Upstream, *, now: Callable[[], float], interval: float = 10.0) -> None:
        self._upstream = upstream
        self._now = now
        self._interval = interval
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self._failing = False
        self._groups: dict[str, tuple[ApiGroup, ...]] = {}
        self._etags: dict[str, str] = {}
        self._version: JsonObject | None = None
        self._generation = 0

    @property
    def generation(self) -> int:
        """Grows with every look that found something new."""
        return self._generation

    @property
    def synced(self) -> bool:
        """Whether the store was read at least once."""
        return len(self._groups) == len(_ROOTS)

    @property
    def version(self) -> JsonObject | None:
        """The store's own version."""
        return self._version

    def groups(self) -> Sequence[ApiGroup]:
        """Return what the last successful look found."""
        return [group for root in _ROOTS for group in self._groups.get(root, ())]

    async def run(self) -> None:
        """Look until cancelled: at once, every interval, and sooner while the store is away."""
        while True:
            readable = await self.look(version=True)
            await asyncio.sleep(self._interval if readable else RETRY_INTERVAL)

    async def look(self, *, version: bool = False) -> bool:
        """Look now, at /version too if asked. Returns whether the store could be read; what is known is kept if not."""
        async with self._lock:
            await self._look(version=version)
        return not self._failing

    async def refresh(self, *, max_age: float = 0.0) -> None:
        """Look again unless a look began within `max_age` seconds before this call; looks are shared.

        Returns at once while the store is away: `run` finds out when it is back.
        """
        fresh_enough = self._now() - max_age
        if self._failing or self._looked_at >= fresh_enough:
            return
        async with self._lock:
            if self._failing or self._looked_at >= fresh_enough:
                return  # somebody's look began after we asked
            await asyncio.sleep(max(0.0, self._looked_at + LOOK_SPACING - self._now()))
            await self._look()

    async def _look(self, *, version: bool = False) -> None:
        began = self._now()
        try:
            for root in _ROOTS:
                await self._read_root(root)
            if version:
                self._version = await self._upstream.get_json("/version", timeout=LOOK_TIMEOUT)
        except (ApiError, PathNotFound) as error:
            if not self._failing:
                _log.warning("cannot read what %s serves, keeping what is known: %s", self._upstream.title, error)
            self._failing = True
        else:
            if self._failing:
                _log.info("%s can be read again", self._upstream.title)
            self._failing = False
        self._looked_at = began  # only now: a look that its caller's end cut short has answered nobody

    async def _read_root(self, root: str) -> None:
        headers = {"Accept": _ACCEPT}
        if etag := self._etags.get(root):
            headers["If-None-Match"] = etag
        response = await self._upstream.get(root, headers=headers, timeout=LOOK_TIMEOUT)
        async with response:
            if response.status == 304:
                return
            body = await self._upstream.read_body(response)
        document = self._upstream.json_answer(response.status, response.content_type, body)
        known = self._known(root)
        if document.get("kind") == "APIGroupDiscoveryList":
            groups = parse_aggregated(document, known)
        else:
            groups = await self._read_legacy(document, known)
        self._etags[root] = response.headers.get("ETag", "")
        if groups != self._groups.get(root):
            self._groups[root] = groups
            self._generation += 1

    def _known(self, root: str) -> dict[GroupVersion, ApiVersion]:
        groups = self._groups.get(root, ())
        return {GroupVersion(group.name, version.version): version for group in groups for version in group.versions}

    async def _read_legacy(self, document: JsonObject, known: dict[GroupVersion, ApiVersion]) -> tuple[ApiGroup, ...]:
        """Read one document for each version, as servers before aggregated discovery have them."""
        listed = parse_group_list(document)
        group_versions = [GroupVersion(name, version) for name, versions in listed for version in versions]
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def read(group_version: GroupVersion) -> ApiVersion:
            async with limit:
                return await self._read_version(group_version, known)

        found = dict(zip(group_versions, await asyncio.gather(*map(read, group_versions)), strict=True))
        return tuple(
            ApiGroup(name, tuple(found[GroupVersion(name, version)] for version in versions))
            for name, versions in listed
        )

    async def _read_version(self, group_version: GroupVersion, known: dict[GroupVersion, ApiVersion]) -> ApiVersion:
        """Read one version; one that cannot be read is stale, and takes no other down with it."""
        try:
            document = await self._upstream.get_json(group_version.path, timeout=LOOK_TIMEOUT)
        except (ApiError, PathNotFound):
            return stale_version(group_version, known)
        return parse_resource_list(document, group_version)
