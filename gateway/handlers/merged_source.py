"""The cross-cluster cache behind the ReadSource port, for one caller: which members he may see is decided already.

Where callers see different members, what each saw is remembered: a list or watch from before his view changed cannot
go on, because what he did not see then will be in no event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import msgspec

from cache.cached_object import CachedObject, all_metadata
from cache.caller_views import WHOLE
from cache.freshness import ClusterFreshness
from cache.merged_resource import MergedResource
from cache.naming import seen_name
from cache.watch_event import ERROR, WatchEvent
from cache.watcher import Visible, Watcher, everyone
from gateway.apimachinery.duration import human_duration
from gateway.apimachinery.errors import ApiError, expired
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.apimachinery.schema import GroupVersionKind
from gateway.authorization.cluster_visibility import NamedClusters
from gateway.handlers.read_source import ObjectsAdded, Outlet, Page, WatchChange
from gateway.printers.columns import Column
from gateway.printers.member_columns import KindPrinter, MemberColumnsPrinter
from gateway.request import UserInfo
from gateway.request_scope import RequestScope

VIEW_CHANGED = "the member clusters that the caller may see have changed; list anew"
_VIEW_CHANGE = WatchChange(ERROR, "", error=expired(VIEW_CHANGED))


class CallerView(msgspec.Struct, frozen=True):
    """Which members a caller sees. `by_caller`: others may see other ones, and he himself other ones at other times."""

    visible: Visible
    by_caller: bool = False


def _identity(user: UserInfo) -> str:
    """Return what stands for all of a caller that his rights depend on, in every run, without saying who he is."""
    facts = user.name, user.uid, user.groups, sorted(user.extra.items())
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def _view(visible: Visible) -> str:
    """Return what stands for the members that a caller sees, in every run. Raises TypeError where nothing can."""
    if visible is everyone:
        return WHOLE
    if isinstance(visible, NamedClusters):
        return ",".join(sorted(visible.names))
    raise TypeError(f"{visible!r} does not tell which members are seen")


def remember_view(resource: MergedResource, user: UserInfo, view: CallerView) -> int:
    """Return the version from which on a caller has seen what he sees; 0 where that is the same for everybody.

    A write has it remembered as well: who goes on from the version of its answer has seen nothing else before.
    """
    return resource.view_since(_identity(user), _view(view.visible)) if view.by_caller else 0


async def served_object(
    resource: MergedResource, scope: RequestScope, key: ObjectKey, visible: Visible, resource_version: str = ""
) -> CachedObject:
    """Return the object that is read by a name; that several members use it is announced.

    Raises ApiError as MergedResource.get does.
    """
    stored = await resource.get(key.namespace, key.name, resource_version=resource_version, visible=visible)
    owners = resource.owners(key.namespace, key.name, visible=visible)
    if len(owners) > 1:
        names = ", ".join(sorted(f"{seen_name(owner, visible)} ({owner.cluster})" for owner in owners))
        scope.warn(f'"{key.name}" exists in several clusters, this is the oldest: {names}')
    return stored


class MergedSource:
    """Reads one merged resource. Stale members are announced by Warning headers through the scope."""

    def __init__(
        self,
        resource: MergedResource,
        printer: KindPrinter,
        scope: RequestScope,
        view: CallerView,
        now: Callable[[], float],
    ) -> None:
        """Bind a resource to a request; `view` says which members its caller may see."""
        self._now = now
        self._resource = resource
        self._printer = printer
        self._scope = scope
        self._visible = view.visible
        self._caller = _identity(scope.user) if view.by_caller else ""
        self._view = _view(view.visible) if view.by_caller else ""
        self.built_in = printer.built_in

    @property
    def gvk(self) -> GroupVersionKind:
        """The kind at the version that is served."""
        served = self._resource.served
        return served.gvr.group_version.kind(served.kind)

    @property
    def list_kind(self) -> str:
        """The kind of its lists."""
        return self._resource.served.list_kind

    @property
    def columns(self) -> Sequence[Column]:
        """The kind's columns with Cluster among them."""
        return self._printer.columns

    def object_bytes(self, stored: CachedObject) -> bytes:
        """Return the complete JSON object."""
        return self._resource.object(stored)

    def item_bytes(self, stored: CachedObject) -> bytes:
        """Return the object as a list item."""
        return self._resource.item(stored)

    def metadata_bytes(self, stored: CachedObject) -> bytes:
        """Return its metadata."""
        return stored.metadata

    def items(self, objects: Sequence[CachedObject]) -> Sequence[bytes]:
        """Return many objects as list items."""
        return self._resource.items(objects)

    def all_metadata(self, objects: Sequence[CachedObject]) -> Sequence[bytes]:
        """Return the metadata of many objects."""
        return all_metadata(objects)

    def rows(self, objects: Iterable[CachedObject], now: float) -> Iterator[bytes]:
        """Return the inside of each Table row."""
        return self._printer.rows(objects, now)

    async def get(self, key: ObjectKey, resource_version: str) -> CachedObject:
        """Return one object; a name that several members use is announced."""
        stored = await served_object(self._resource, self._scope, key, self._visible, resource_version)
        self._remember_view()
        if stale := self._resource.stale_member(stored.cluster):
            self._warn_stale([stale])
        return stored

    async def list(self, namespace: str, options: ListOptions) -> Page:
        """Return a page; stale members are announced."""
        page = await self._resource.list(
            namespace, options, visible=self._visible, binding=self._scope.user.name, since=self._remember_view()
        )
        # Another request of the caller may have been judged meanwhile: what is answered is what he has seen last.
        self._remember_view()
        self._warn_stale(page.stale)
        return Page(page.items, page.resource_version, page.continue_token, page.remaining)

    async def watch(self, namespace: str, options: ListOptions, lifetime: float) -> MergedSubscription:
        """Open a watch."""
        since = self._remember_view()
        watcher = await self._resource.watch(namespace, options, visible=self._visible, timeout=lifetime, since=since)
        holds = (lambda: self._view_holds(since)) if self._caller else None
        return MergedSubscription(self._resource, watcher, self._printer, holds)

    def _remember_view(self) -> int:
        """Return the version from which on the caller has seen what he sees; 0 where that is the same for everybody."""
        return self._resource.view_since(self._caller, self._view) if self._caller else 0

    def _view_holds(self, since: int) -> bool:
        return self._resource.view_holds(self._caller, self._view, since)

    def _warn_stale(self, clusters: Sequence[ClusterFreshness]) -> None:
        for cluster in clusters:
            self._scope.warn(stale_warning(cluster, self._now()))


def stale_warning(cluster: ClusterFreshness, now: float) -> str:
    """Return what a reader is told of a member whose objects may be out of date."""
    title = f'member cluster "{cluster.name}"' if cluster.name else "the federation store"
    if cluster.overfull:
        # It answers when it is looked whether there is less, but nothing is taken then.
        age = human_duration(now - (cluster.stale_since or now))
        return (
            f"{title} has more of this kind than is read of one member: objects are missing from this answer, "
            f"the others are as of {age} ago"
        )
    if not cluster.synced:
        return f"{title} has not been read yet: its objects are missing from this answer"
    age = human_duration(now - (cluster.last_contact or now))
    return f"{title} does not answer: its objects are as of {age} ago"


class MergedSubscription:
    """A watch of the cache; it sends its bookmarks itself."""

    def __init__(
        self, resource: MergedResource, watcher: Watcher, printer: KindPrinter, view_holds: Callable[[], bool] | None
    ) -> None:
        """Take over an open watcher. Its frames are shared by all who see the same columns.

        It ends with 410 once the view of its caller holds no longer; None where all see the same.
        """
        self._resource = resource
        self._watcher = watcher
        self._view_holds = view_holds or _always
        self._may_see_more = None if view_holds is None else self._look_at_view
        self._columns = printer if isinstance(printer, MemberColumnsPrinter) else None

    async def next_batch(self, outlet: Outlet | None = None) -> Sequence[WatchChange]:
        """Return the next events, but for those that were written to the outlet."""
        if objects := self._watcher.take_initial():
            if not self._view_holds():
                return [_VIEW_CHANGE]
            return ObjectsAdded(objects, self._resource.head, self._resource.item, _version)
        way = None if outlet is None else _WatcherOutlet(outlet, self._columns, self._may_see_more)
        batch = await self._watcher.next_batch(way)
        if batch and not self._view_holds():
            return [_VIEW_CHANGE]
        return [_change(event, self._columns) for event in batch]

    def _look_at_view(self) -> bool:
        """Whether the caller's view holds; if not, `next_batch` returns, to say so."""
        holds = self._view_holds()
        if not holds:
            self._watcher.look()
        return holds

    def bookmark_version(self) -> None:
        """The cache's watcher sends bookmarks on its own."""

    def close(self) -> None:
        """End the watch."""
        self._watcher.close()


class _WatcherOutlet:
    """An outlet for what a watcher of the cache tells."""

    __slots__ = ("_columns", "_outlet", "form", "ready", "write")

    def __init__(
        self, outlet: Outlet, columns: MemberColumnsPrinter | None, may_see_more: Callable[[], bool] | None
    ) -> None:
        self._outlet = outlet
        self._columns = columns
        self.form: Hashable = outlet.form, columns
        self.write = outlet.write
        ready = outlet.ready
        self.ready = ready if may_see_more is None else lambda: ready() and may_see_more()

    def encode(self, events: Sequence[WatchEvent]) -> bytes:
        return self._outlet.encode([_change(event, self._columns) for event in events])


def _always() -> bool:
    return True


def _version(stored: CachedObject) -> str:
    return str(stored.rv)


def _change(event: WatchEvent, columns: MemberColumnsPrinter | None) -> WatchChange:
    return WatchChange(
        event.type,
        str(event.rv),
        event.object,
        event.initial_events_end,
        (lambda form, make: event.encoded((form, columns), lambda _: make())) if event.shared else None,
        None if event.status is None else ApiError.from_status(event.status),
    )
