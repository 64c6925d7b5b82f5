"""A merged resource at one served version: what handlers list, get and watch.

Versions, limits and continue tokens mean what they mean to a kube-apiserver (k8s.io/apiserver `storage`). Every read
takes `visible`, which tells whether the caller may see a member; this package authorises nobody. What a selection finds
is found by `search`; what writes need of the view is in `merged_writes`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from cache.cached_object import CachedObject, whole
from cache.cacher import Cacher
from cache.continue_token import ContinueToken, ContinueTokenCodec
from cache.freshness import ClusterFreshness
from cache.merged_writes import MergedWrites
from cache.resource_kind import ServedVersion
from cache.search import Search
from cache.selection import Query, Selection
from cache.version_order import in_version_order
from cache.watcher import Visible, Watched, Watcher, WatchStart, everyone
from gateway.apimachinery.errors import (
    ApiError,
    bad_request,
    expired,
    not_found,
    too_large_resource_version,
    too_old_resource_version,
)
from gateway.apimachinery.options import EXACT, ListOptions, list_revision, watch_revision

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class MergedList:
    """A list or a page of it. The items are references to what is never changed: a snapshot."""

    items: Sequence[CachedObject]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None
    stale: Sequence[ClusterFreshness] = ()
    """The members whose objects may be out of date."""


class MergedResource:
    """One kind of all members, at one version."""

    def __init__(self, cacher: Cacher, served: ServedVersion, tokens: ContinueTokenCodec) -> None:
        """Serve what `cacher` holds as `served`."""
        self.served = served
        self._cacher = cacher
        self._cache = cacher.cache
        self._tokens = tokens
        prefix = _encoder.encode({"kind": served.kind, "apiVersion": served.api_version})
        self._prefix = prefix[:-1] + b","
        self.writes = MergedWrites(cacher, served, self.object)
        """What writes need of the view."""

    # Reading

    async def get(
        self, namespace: str, name: str, *, resource_version: str = "", visible: Visible = everyone
    ) -> CachedObject:
        """Return the object that answers to a name; of several the one served under it, else the oldest visible.

        It bears the name that was asked for: clients go on with the name in the answer, which must not lead them from
        a qualified name to an ambiguous one. Raises ApiError 404, 400 for an unreadable resourceVersion, 504 for one
        that does not come within 3 s.
        """
        await self._wait_for_revision(list_revision(resource_version))
        for attempt in range(2):
            if owners := self.owners(namespace, name, visible=visible):
                found = owners[0]
                found.in_use = True
                return found if found.name == name else found.renamed(name, found.rv)
            if attempt == 0:
                await self._cacher.wait_first_sync(visible)
        raise not_found(self.served.gvr.group_resource, name)

    def owners(self, namespace: str, name: str, *, visible: Visible = everyone) -> Sequence[CachedObject]:
        """All objects that answer to a name. More than one: it is ambiguous, and their `name`s are not."""
        return self._cache.objects.owners(namespace, name, visible)

    async def list(
        self, namespace: str, options: ListOptions, *, visible: Visible = everyone, binding: str = "", since: int = 0
    ) -> MergedList:
        """List a namespace, or all (empty). `binding` names the caller; continue tokens hold for nobody else.

        `since` is the version from which on the caller has seen what is visible: a list that was begun before is not
        continued. Raises ApiError 400, 410 (with a token to continue with, where there was one) and 504.
        """
        since = self._shown_since(visible, since)
        selection = self._selection(namespace, options)
        search = Search(self._cacher, selection, visible)
        query = self._token_binding(binding, namespace, options)
        await self._cacher.wait_first_sync(visible)
        token = self._tokens.decode(options.continue_token, query) if options.continue_token else None
        if token is None:
            if options.limit or search.remembered() is None:
                await search.index_labels()
            revision = await self._list_revision(selection, options, since)
        elif options.resource_version not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        else:
            revision = token.revision or self._cache.revision
            if revision < since or not self._cache.knows(revision):
                raise self._tokens.expired(token, query)
        limit = 0 if options.resource_version == "0" else options.limit
        items = await search.whole(limit) if token is None and revision == self._cache.revision else None
        if items is not None:
            return MergedList(items, str(revision), stale=self.stale(visible))
        past = search.past(revision)
        try:
            items, more = await search.page(past, token.last_key if token else "", limit)
        except ApiError:
            if token is None:
                raise
            raise self._tokens.expired(token, query) from None
        if not more:
            return MergedList(items, str(revision), stale=self.stale(visible))
        last = items[-1].key
        remaining = None
        if selection.unrestricted and visible is everyone:
            remaining = past.remaining(last)
        follow_on = self._tokens.encode(ContinueToken(revision, last), query)
        return MergedList(items, str(revision), follow_on, remaining, self.stale(visible))

    async def watch(
        self, namespace: str, options: ListOptions, *, visible: Visible = everyone, timeout: float, since: int = 0
    ) -> Watcher:
        """Begin a watch that ends after `timeout` seconds; one from before `since` (see `list`) gets 410.

        Raises ApiError 400 for a selector and 422 for a resourceVersion that cannot be read; what goes wrong later is
        the watch's ERROR event.
        """
        since = self._shown_since(visible, since)
        selection = self._selection(namespace, options)
        revision = watch_revision(options.resource_version, self.served.gvr.group_resource)
        search = Search(self._cacher, selection, visible)
        start = await self._watch_start(search, options, revision, everywhere=not since)
        if start.initial is None and start.error is None and not self._has_seen(start.after, since):
            start = WatchStart(error=too_old_resource_version(start.after, since))
        shown = None if search.view.plain else search.view
        watched = Watched(selection, visible, options.allow_watch_bookmarks, timeout, shown)
        return Watcher(self._cache, watched, start, news=self._cacher, clock=asyncio.get_running_loop().time)

    async def _watch_start(
        self, search: Search, options: ListOptions, revision: int, *, everywhere: bool
    ) -> WatchStart:
        initial = options.send_initial_events
        if initial is None:
            initial = revision == 0
        if not initial:
            return await self._going_on(revision, everywhere=everywhere)
        try:
            await self._wait_for_revision(revision)
        except ApiError as error:
            return WatchStart(error=error)
        await search.index_labels()
        items, position = await search.initial_state()
        ordered = await in_version_order(items, self._cacher.turns)
        return WatchStart(initial=ordered, announce_end=options.send_initial_events is True, after=position)

    async def _going_on(self, revision: int, *, everywhere: bool) -> WatchStart:
        """`everywhere`: all callers see the same members, at every replica."""
        replicas = self._cacher.replicas
        if not revision or replicas is None or not replicas.is_foreign(revision):
            return WatchStart(after=revision or self._cache.revision)
        # What a caller saw elsewhere is not known where that may be some members only, even if he sees all of them now.
        position = await replicas.take_over(revision) if everywhere else None
        if position is None:
            return WatchStart(error=too_old_resource_version(revision, self._cache.history.floor))
        return WatchStart(after=position)

    # What is asked for

    async def _list_revision(self, selection: Selection, options: ListOptions, since: int) -> int:
        """The version at which a list without a token is read.

        None is from before `since`: the caller did not see then what he sees now, and could go on from there as if.
        """
        requested = list_revision(options.resource_version)
        legacy_exact = not options.resource_version_match and options.limit > 0 and not selection.single_key
        await self._wait_for_revision(requested)
        if requested and (legacy_exact or options.resource_version_match == EXACT):
            if requested < since or not self._cache.knows(requested):
                raise expired("The resourceVersion for the provided list is too old.")
            return requested
        return self._cache.revision

    def _token_binding(self, caller: str, namespace: str, options: ListOptions) -> str:
        """What a continue token is good for: this caller and this query."""
        gvr = self.served.gvr
        query = [caller, gvr.group, gvr.resource, namespace, str(options.label_selector), str(options.field_selector)]
        return _encoder.encode(query).decode()

    def _selection(self, namespace: str, options: ListOptions) -> Selection:
        fields = options.field_selector.translate(self.served.field_labels)
        return self._cacher.selections.of(Query(namespace, options.label_selector, fields))

    async def _wait_for_revision(self, revision: int) -> None:
        """Wait until everything is known that was up to a version, of ours or of another replica."""
        if not revision:
            return
        replicas = self._cacher.replicas
        elsewhere = replicas if replicas and replicas.is_foreign(revision) else None

        def reached() -> bool:
            return elsewhere.includes(revision) if elsewhere else self._cache.revision >= revision

        if not await self._cacher.wait_until(reached, self._cacher.settings.future_wait):
            raise too_large_resource_version(revision, self._cache.revision)
        if elsewhere:
            elsewhere.overtake(revision)

    # Views

    def view_since(self, caller: str, view: str) -> int:
        """The version from which on a caller has seen what is visible to him now. It is remembered as his view.

        Texts stand for both, the same ones in every run.
        """
        return self._cacher.views.since(caller, view)

    def view_holds(self, caller: str, view: str, since: int) -> bool:
        """Whether a caller's view is still the one that was remembered."""
        return self._cacher.views.holds(caller, view, since)

    def _shown_since(self, visible: Visible, since: int) -> int:
        """From when on somebody can go on: also the names must be known under which he saw the objects."""
        return since if visible is everyone else max(since, self._cache.names_known_since)

    def _has_seen(self, rv: int, since: int) -> bool:
        """Whether a caller who has a view since then has seen all of it at a version."""
        return rv >= since and not (since and self._cacher.views.is_unknown(rv))

    # Freshness

    def freshness(self, visible: Visible = everyone) -> Sequence[ClusterFreshness]:
        """How current each visible member is."""
        return [feed.freshness() for feed in self._cacher.visible_feeds(visible)]

    def stale_member(self, cluster: str) -> ClusterFreshness | None:
        """How current a member is whose objects may be out of date; None for any other."""
        feed = self._cacher.feeds.get(cluster)
        return feed.freshness() if feed and feed.stale else None

    def stale(self, visible: Visible = everyone) -> Sequence[ClusterFreshness]:
        """The visible members whose objects may be out of date."""
        return [feed.freshness() for feed in self._cacher.visible_feeds(visible) if feed.stale]

    async def wait_synced(self, timeout: float) -> bool:
        """Wait until every member was read once."""
        return await self._cacher.wait_until(lambda: all(feed.current for feed in self._cacher.feeds.values()), timeout)

    # Bytes

    def item(self, obj: CachedObject) -> bytes:
        """The object as it stands in a list of this version: without kind and apiVersion."""
        return self.served.from_stored(obj.raw)

    def items(self, objects: Sequence[CachedObject]) -> Sequence[bytes]:
        """`item` of many objects."""
        stored = whole(objects)
        return stored if self.served is self._cacher.kind.stored else list(map(self.served.from_stored, stored))

    def object(self, obj: CachedObject) -> bytes:
        """The complete object."""
        return self._prefix + self.item(obj)[1:]

    @property
    def head(self) -> bytes:
        """What takes the place of the brace at the beginning of an `item` to make it the complete object."""
        return self._prefix
