"""Lists and watches of a resource: what the resourceVersion asks for, pages, selections; objects stay bytes.

The current state is answered from memory; only what must be exact about the past goes to the history. Rules of
resourceVersion, resourceVersionMatch, limit and continue follow k8s.io/apiserver `storage`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery.errors import bad_request, too_large_resource_version, too_old_resource_version
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import EXACT, ListOptions, list_revision, watch_revision
from gateway.storage.interface import Compacted, Storage, StoredEvent, StoredObject, Watch
from gateway.storage.revision import (
    ContinueToken,
    check_not_too_large,
    continue_expired,
    decode_continue,
    list_expired,
)
from gateway.storage.selection import Selection

_HISTORY_PAGE = 1000
"""Objects read from the history at a time."""


@dataclass(frozen=True, slots=True)
class ListResult:
    """One page: objects in key order, the revision it shows, where the next page starts, and how many follow."""

    items: list[StoredObject]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None


async def read_list(storage: Storage, selection: Selection, options: ListOptions) -> ListResult:
    """List a resource.

    Raises ApiError: 400 for a version or token that cannot be read, 410 for one whose history is gone, 504 for one that
    lies in the future.
    """
    token = decode_continue(options.continue_token) if options.continue_token else None
    requested = list_revision(options.resource_version)
    limit = options.limit
    if token is not None:
        if requested:
            raise bad_request("specifying resource version is not allowed when using continue")
        revision = storage.revision if token.revision is None else token.revision
    elif requested and (options.resource_version_match == EXACT or (limit and not options.resource_version_match)):
        revision = requested
    else:
        check_not_too_large(requested, storage.revision)
        revision = storage.revision
        if options.resource_version == "0":
            limit = 0  # kube-apiserver answers from its cache then, which does not page; reflectors rely on one page
    check_not_too_large(revision, storage.revision)
    after = token.after if token is not None else None
    if revision >= storage.changed_at(selection.definition.storage_key):
        return _current_page(storage, selection, after, limit, revision)
    try:
        return await _past_page(storage, selection, after, limit, revision)
    except Compacted:
        raise (continue_expired(token) if token is not None else list_expired()) from None


def _candidates(storage: Storage, selection: Selection) -> Sequence[StoredObject]:
    """Return the current objects that may be selected: one where a name is demanded, else those of the namespace."""
    definition = selection.definition
    if selection.name is not None and (selection.namespace or not definition.namespaced):
        stored = storage.get(definition.storage_key, ObjectKey(selection.namespace, selection.name))
        return [stored] if stored is not None else []
    return storage.list(definition.storage_key, selection.namespace)


def _selected(selection: Selection, objects: Sequence[StoredObject]) -> list[StoredObject]:
    if selection.everything:
        return list(objects)
    return [stored for stored in objects if selection.matches(stored)]


def _current_page(
    storage: Storage, selection: Selection, after: ObjectKey | None, limit: int, revision: int
) -> ListResult:
    objects = _selected(selection, _candidates(storage, selection))
    start = bisect_right(objects, after, key=lambda stored: stored.key) if after is not None else 0
    page = objects[start : start + limit] if limit else objects[start:]
    following = len(objects) - start - len(page)
    return _page(selection, page, revision, following)


def _page(selection: Selection, page: list[StoredObject], revision: int, following: int) -> ListResult:
    if not following:
        return ListResult(page, str(revision))
    token = ContinueToken(revision, page[-1].key).encode()
    return ListResult(page, str(revision), token, following if selection.everything else None)


async def _past_page(
    storage: Storage, selection: Selection, after: ObjectKey | None, limit: int, revision: int
) -> ListResult:
    """Read pages of the history until one object more than asked for is found, which tells that more follow."""
    resource, namespace = selection.definition.storage_key, selection.namespace
    found: list[StoredObject] = []
    position = after
    while not limit or len(found) <= limit:
        objects = await storage.list_at(resource, namespace, revision, after=position, limit=_HISTORY_PAGE)
        found += _selected(selection, objects)
        if len(objects) < _HISTORY_PAGE:
            break
        position = objects[-1].key
    page = found[:limit] if limit else found
    following = len(found) - len(page)
    if following and selection.everything:
        following = await storage.count_at(resource, namespace, revision, after=page[-1].key)
    return _page(selection, page, revision, following)


class RegistryWatch:
    """One watch of a resource: first the state that was asked for, then what happens to it. Owns no task."""

    def __init__(self, storage: Storage, selection: Selection, watch: Watch, after: int, initial: list[StoredEvent]):
        """Use `open_watch`."""
        self._storage = storage
        self._selection = selection
        self._watch = watch
        self._initial = initial
        self._handed_out = after

    @property
    def resource(self) -> str:
        """The stored resource that is watched."""
        return self._selection.definition.storage_key

    async def next_batch(self) -> list[StoredEvent]:
        """Wait for events of selected objects; an empty list says that the watch has ended.

        A BOOKMARK with `initial_events_end` comes once, behind the state, when initial events were asked for.
        """
        if self._initial:
            initial, self._initial = self._initial, []
            return initial
        while batch := await self._watch.next_batch():
            after, self._handed_out = self._handed_out, max(self._handed_out, batch[-1].revision)
            events = [
                selected for event in batch if event.revision > after if (selected := self._selection.event(event))
            ]
            if events:
                return events
        return []

    def bookmark_revision(self) -> int:
        """Return the revision up to which everything was handed out: what a BOOKMARK may say now."""
        return max(self._handed_out, self._storage.revision) if self._watch.idle else self._handed_out

    def close(self) -> None:
        """End the watch; a waiting reader wakes."""
        self._watch.close()


async def open_watch(storage: Storage, selection: Selection, options: ListOptions) -> RegistryWatch:
    """Watch a resource.

    Raises ApiError: 422 for a version that cannot be read; 410 for one whose history is gone and 504 for one that lies
    in the future, which clients expect inside the stream.
    """
    definition = selection.definition
    requested = watch_revision(options.resource_version, definition.group_resource)
    wants_state = options.send_initial_events
    if wants_state is None:
        wants_state = requested == 0
    if wants_state:
        if requested > storage.revision:
            raise too_large_resource_version(requested, storage.revision)
        return await _watch_with_state(storage, selection, bookmark=options.send_initial_events is True)
    after = requested or storage.revision
    try:
        watch = await storage.watch(definition.storage_key, after)
    except Compacted as error:
        raise too_old_resource_version(after, error.oldest) from None
    return RegistryWatch(storage, selection, watch, after, [])


async def _watch_with_state(storage: Storage, selection: Selection, *, bookmark: bool) -> RegistryWatch:
    watch = await storage.watch(selection.definition.storage_key, storage.revision)
    # What was written meanwhile is part of the state read now, and is skipped when the watch replays it.
    revision = storage.revision
    objects = _selected(selection, _candidates(storage, selection))
    initial = [StoredEvent("ADDED", stored.revision, stored) for stored in objects]
    if bookmark:
        initial.append(StoredEvent("BOOKMARK", revision, None, initial_events_end=True))
    return RegistryWatch(storage, selection, watch, revision, initial)
