"""Writes to a merged resource, as far as the merged view has to do with them.

The members apply writes; here the resourceVersions of their preconditions are translated, their answers are dressed as
objects of the merged view, and it is waited until the view shows what was written. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cache.cached_object import CachedObject
from cache.cacher import Cacher
from cache.encoded_object import MalformedObject
from cache.observed_object import ObservedObject
from cache.resource_kind import ServedVersion
from cache.view import View
from cache.watcher import Visible, everyone
from gateway.apimachinery.integers import parse_integer

_encoder = msgspec.json.Encoder()


class MergedWrites:
    """What writes to one kind of all members, at one version, need to know and to say."""

    def __init__(self, cacher: Cacher, served: ServedVersion, encode: Callable[[CachedObject], bytes]) -> None:
        """Dress objects of `cacher` as `served`; `encode` returns the complete object of that version."""
        self._cacher = cacher
        self._cache = cacher.cache
        self._served = served
        self._encode = encode

    def member_version(self, obj: CachedObject, resource_version: str) -> str | None:
        """The member's version for one of ours, or None when ours is not that of the cached object: a conflict."""
        if not resource_version:
            return ""
        if resource_version == str(obj.rv):
            return obj.member_rv
        if (replicas := self._cacher.replicas) and resource_version.isdecimal():
            replicas.correct(obj, parse_integer(resource_version))
        return None

    async def made(self, cluster: str, body: bytes, *, visible: Visible = everyone) -> bytes:
        """Dress the answer to a creation, see `restamp`, also where the member was not known to have any of it yet."""
        if self._read(body) is not None:
            await self._cacher.find(cluster)
        return self.restamp(cluster, body, visible=visible)

    def restamp(self, cluster: str, body: bytes, *, visible: Visible = everyone) -> bytes:
        """Dress a member's answer to the creation of an object as one of ours, under the name it has for the caller.

        The cache has the new state from here on, so reads show it, and the member's own event of it is no news. What
        is no object of this kind (a Status) comes back as it is. Not for dry runs: see `decorate`.
        """
        observed = self._read(body)
        return body if observed is None else self._encode(View(visible).shown(self._cacher.written(cluster, observed)))

    async def changed(self, obj: CachedObject, body: bytes, name: str = "") -> bytes:
        """Dress a member's answer to a change of an object, which was its end if it took the last finalizer off.

        A kube-apiserver then removes it and answers what it was sent, under the version from before
        (Store.deleteWithoutFinalizers): that is no state to be read. `name` is the one that was asked for, see `get`.
        """
        observed = self._read(body)
        if observed is not None and observed.ended:
            return await self._deleted(obj, observed, body, name)
        return body if observed is None else self._written(obj, observed, name)

    def _written(self, obj: CachedObject, observed: ObservedObject, name: str) -> bytes:
        return self._encode(_called(self._cacher.written(obj.cluster, observed), name))

    async def deleted(self, obj: CachedObject, body: bytes, name: str = "") -> bytes:
        """Dress a member's answer to the deletion of an object.

        One that is gone is no longer read by then, and has the version of its DELETED event; it is not remembered, or
        it would come back for a moment. One that lives on for a while was only changed.
        """
        return await self._deleted(obj, self._read(body), body, name)

    async def _deleted(self, obj: CachedObject, observed: ObservedObject | None, body: bytes, name: str) -> bytes:
        if observed is not None and observed.lingers:
            return self._written(obj, observed, name)
        await self.wait_gone(obj)
        if observed is None:
            return body
        last = self._cacher.represent(obj.cluster, observed)
        return self._encode(last.renamed(name or obj.name, self._cache.history.end_of(obj.uid) or last.rv))

    def decorate(self, cluster: str, body: bytes, name: str = "") -> bytes:
        """Dress an object of a member that is not to be remembered, such as the answer to a dry run."""
        observed = self._read(body)
        return body if observed is None else self._encode(_called(self._cacher.represent(cluster, observed), name))

    async def decorate_part(self, cluster: str, body: bytes, name: str = "") -> bytes:
        """Dress what a subresource answers: an object of ours, or one of another kind about one of ours: its Scale.

        It bears the name that was asked for. Waits until the cache has seen the version it speaks of, so that a write
        can be based on it. What is about no object of ours comes back as it is.
        """
        try:
            observed = ObservedObject(body)
        except MalformedObject:
            return body
        await self.wait_for(cluster, observed.member_rv)
        known = self._cache.objects.of_member(cluster, observed.key)
        if known is None or known.uid != observed.uid or self._read(body) is not None:
            return self.decorate(cluster, body, name)
        head = _encoder.encode({"kind": observed.kind, "apiVersion": observed.api_version})
        return head[:-1] + b"," + _called(self._cacher.represent(cluster, observed), name).raw[1:]

    def _read(self, body: bytes) -> ObservedObject | None:
        try:
            observed = ObservedObject(body)
            if (observed.kind, observed.api_version) != (self._served.kind, self._served.api_version):
                return None
            stored = self._served.to_stored(body)
            return observed if stored is body else ObservedObject(stored)
        except MalformedObject:
            return None

    async def wait_for(self, cluster: str, member_rv: str, timeout: float = 3.0) -> bool:
        """Wait until everything up to a version of a member was seen; False when it was not in time."""

        def reached() -> bool:
            feed = self._cacher.feeds.get(cluster)
            return feed is None or feed.has_reached(member_rv)

        return await self._cacher.wait_until(reached, timeout)

    async def wait_gone(self, obj: CachedObject, timeout: float = 3.0, *, or_lingers: bool = False) -> bool:
        """Wait until an object that was deleted for good is no longer served; False when it was not in time.

        `or_lingers`: or is known to live on for a while, as after an eviction, whose answer does not tell which. A
        member of which nothing is heard is not waited for: what is read of it is announced as stale.
        """

        def unheard() -> bool:
            feed = self._cacher.feeds.get(obj.cluster)
            return feed is not None and bool(feed.error)

        def gone() -> bool:
            known = self._cache.objects.of_member(obj.cluster, obj.original_key)
            return known is None or known.uid != obj.uid or (or_lingers and known.lingers)

        await self._cacher.wait_until(lambda: gone() or unheard(), timeout)
        return gone()


def _called(obj: CachedObject, name: str) -> CachedObject:
    """An object under the name that was asked for, if one was."""
    return obj.renamed(name, obj.rv) if name and name != obj.name else obj
