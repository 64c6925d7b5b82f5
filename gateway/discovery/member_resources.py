"""The resources that are cached by configuration, as the members serve them: version, kind, verbs, columns.

Each member's discovery is followed, because only a member knows what a name means and whether it has such a resource.
Of several members the first by name tells; what was found once stays, whatever becomes of the member.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.clusters.upstream import Upstream
from gateway.discovery.printer_columns import Columns, ColumnsByVersion, read_columns
from gateway.discovery.remote import LOOK_TIMEOUT, RemoteDiscovery
from gateway.discovery.resource_name import ResourceName
from gateway.discovery.surface import ApiGroup, ApiResource

SEARCH_INTERVAL = 10.0
"""Seconds between two looks at a member while something is not found, or the member cannot be read."""
INTERVAL = 60.0
"""Seconds between two looks at a member otherwise: columns and verbs change rarely, and mostly the answer is a 304."""

LOOK_AGE = 1.0
"""Seconds between two looks because somebody asks for what is not found."""
LOOK_WAIT = 1.0
"""Seconds that such a one waits for the members."""

Found = Callable[[ApiResource], Awaitable[None]]
"""Told of a resource before it is served."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Member:
    upstream: Upstream
    discovery: RemoteDiscovery
    asked: bool = False
    looks: int = 0
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is to be looked at now."""
    columns: dict[GroupResource, ColumnsByVersion] = field(default_factory=dict)
    only_in: dict[GroupResource, tuple[str, ...]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class MemberResources:
    """Finds the named resources in the members.

    Mutable state: the members; what was found, which only `_settle` changes, under the lock. `resources` and `columns`
    are replaced whole.

    Args:
        names: what to look for.
        found: told of each resource once.
        now: monotonic seconds.
    """

    def __init__(self, names: Sequence[ResourceName], *, found: Found, now: Callable[[], float]) -> None:
        self._names = tuple(names)
        self._found = found
        self._now = now
        self._members: dict[str, _Member] = {}
        self._resolved: dict[str, ApiResource] = {}
        self._columns: Mapping[GroupVersionResource, Mapping[str, Columns]] = {}
        self._resources: tuple[ApiResource, ...] = ()
        self._generation = 0
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._told_missing: tuple[str, ...] = ()
        self._looked = float("-inf")
        self._group: asyncio.TaskGroup | None = None

    # What is known

    @property
    def generation(self) -> int:
        """Grows with every change of `resources`."""
        return self._generation

    @property
    def resources(self) -> Sequence[ApiResource]:
        """What was found, in the order of the names."""
        return self._resources

    @property
    def missing(self) -> Sequence[ResourceName]:
        """What no member was found to serve."""
        return [name for name in self._names if name.text not in self._resolved]

    @property
    def all_asked(self) -> bool:
        """Whether every member could be read at least once: then what is missing is nowhere."""
        return all(member.discovery.synced for member in self._members.values())

    def columns(self, gvr: GroupVersionResource) -> Mapping[str, Columns]:
        """Return the columns of a custom resource by member, as far as members tell; the same one until it changes."""
        return self._columns.get(gvr, {})

    def only_in_other_versions(self) -> Mapping[str, Mapping[GroupResource, Sequence[str]]]:
        """Return by member which resources it serves in other versions only, and in which: its objects are missing."""
        return {name: member.only_in for name, member in self._members.items() if member.only_in}

    async def wait_asked(self, seconds: float) -> None:
        """Wait until every member was asked once, whether it answered or not; never longer than that."""
        try:
            async with asyncio.timeout(seconds):
                while not all(member.asked for member in self._members.values()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    async def look(self) -> None:
        """Look for what is missing in all members at once, unless that was done within the last second."""
        now = self._now()
        if not self.missing or now < self._looked + LOOK_AGE:
            return
        self._looked = now
        asked = [(member, member.looks + 1) for member in self._members.values()]
        for member, _ in asked:
            member.wanted.set()
        try:
            async with asyncio.timeout(LOOK_WAIT):
                while self.missing and any(member.looks < look for member, look in asked):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    # Members

    def join(self, name: str, upstream: Upstream) -> None:
        """Follow a member; one that is known already is followed anew."""
        self.leave(name)
        if self._names:
            self._members[name] = _Member(upstream, RemoteDiscovery(upstream, now=self._now))
            self._start(name)

    def leave(self, name: str) -> None:
        """Follow a member no longer."""
        member = self._members.pop(name, None)
        if member is not None and member.task is not None:
            member.task.cancel()

    async def run(self) -> None:
        """Follow the members until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for name in self._members:
                    self._start(name)
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None

    def _start(self, name: str) -> None:
        if self._group is not None:
            member = self._members[name]
            member.task = self._group.create_task(self._follow(member), name=f"discovery {name}")

    async def _follow(self, member: _Member) -> None:
        while True:
            readable = False
            try:
                readable = await self._look(member)
            except Exception:
                # What one member says must not end the gateway for all the others.
                _log.exception("cannot make out what %s serves", member.upstream.title)
            member.asked = True
            member.looks += 1
            self._news.set()
            self._tell_missing()
            await _set_within(member.wanted, INTERVAL if readable and not self.missing else SEARCH_INTERVAL)

    async def _look(self, member: _Member) -> bool:
        if not await member.discovery.look():
            return False
        await self._read_columns(member)
        async with self._lock:
            await self._settle()
        resolved = [resource.gvr for resource in self._resources]
        versions = {gvr: _versions(gvr.group_resource, member.discovery.groups()) for gvr in resolved}
        member.only_in = {
            gvr.group_resource: found for gvr, found in versions.items() if found and gvr.version not in found
        }
        return True

    async def _read_columns(self, member: _Member) -> None:
        for name in self._names:
            served = name.find(member.discovery.groups())
            if served is None or not served.custom:
                continue
            resource = served.gvr.group_resource
            try:
                declared = await read_columns(member.upstream, resource, timeout=LOOK_TIMEOUT)
            except ApiError as error:
                _log.warning("cannot read the columns of %s, keeping those known: %s", resource, error)
                continue
            if declared is None:
                member.columns.pop(resource, None)
            else:
                member.columns[resource] = declared

    # What is found

    async def _settle(self) -> None:
        """Bring what is known up to date. A resource is served only after whoever must know was told."""
        for name in self._names:
            if name.text in self._resolved:
                self._resolved[name.text] = self._as_resolved(self._resolved[name.text])
            elif (told := self._first(name)) is not None:
                self._publish_columns((*self._resolved.values(), told))
                await self._found(told)
                self._resolved[name.text] = told
                _log.info("%s is served from the members, as %s", name.text, told.gvr)
        resources = tuple(self._resolved[name.text] for name in self._names if name.text in self._resolved)
        self._publish_columns(resources)
        if resources != self._resources:
            self._resources = resources
            self._generation += 1

    def _first(self, name: ResourceName) -> ApiResource | None:
        for _, member in sorted(self._members.items()):
            if (served := name.find(member.discovery.groups())) is not None:
                return _merged(served)
        return None

    def _as_resolved(self, known: ApiResource) -> ApiResource:
        """Return the resource in the version it is served in, as the first member tells that has it now."""
        served = (
            resource
            for _, member in sorted(self._members.items())
            for group in member.discovery.groups()
            for version in group.versions
            for resource in version.resources
        )
        told = next((one for one in served if (one.gvr, one.gvk) == (known.gvr, known.gvk)), None)
        return known if told is None else _merged(told)

    def _publish_columns(self, resources: Sequence[ApiResource]) -> None:
        published: dict[GroupVersionResource, Mapping[str, Columns]] = {}
        for resource in resources:
            gvr = resource.gvr
            told = {
                name: member.columns[gvr.group_resource][gvr.version]
                for name, member in sorted(self._members.items())
                if gvr.version in member.columns.get(gvr.group_resource, {})
            }
            before = self._columns.get(gvr)
            published[gvr] = before if before == told and before is not None else told
        self._columns = published

    def _tell_missing(self) -> None:
        missing = tuple(name.text for name in self.missing)
        if self.all_asked and missing != self._told_missing:
            self._told_missing = missing
            for text in missing:
                _log.warning("no member serves %s, which is to be cached; it is served as soon as one does", text)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than that, and clear it."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def _versions(resource: GroupResource, groups: Sequence[ApiGroup]) -> tuple[str, ...]:
    """Return the versions in which a server with these groups has a resource."""
    return tuple(
        version.version
        for group in groups
        if group.name == resource.group
        for version in group.versions
        if any(served.gvr.resource == resource.resource for served in version.resources)
    )


def _merged(served: ApiResource) -> ApiResource:
    """Return a resource of members as the merged view has it.

    Custom objects are deleted one by one: each is judged by the definition of its own member, and a collection lies in
    several.
    """
    verbs = tuple(verb for verb in served.verbs if not (served.custom and verb == "deletecollection"))
    return replace(served, merged=True, verbs=verbs)
