"""The kinds that are cached by configuration, as the server wires them: found in the members, cached, printed.

Connects parts that do not know each other: what a member's discovery tells of a resource becomes a kind of the cache
and a Table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from cachetools import LRUCache

from cache.cached_object import CellRenderer
from cache.multi_cluster_cache import MultiClusterCache
from cache.resource_kind import BUILT_IN_KINDS, ResourceKind
from cache.watcher import Visible, everyone
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.clusters.upstream import Upstream
from gateway.config import CacheConfig
from gateway.discovery.member_resources import MemberResources
from gateway.discovery.printer_columns import Columns
from gateway.discovery.resource_name import parse_resource_names
from gateway.discovery.surface import ApiResource
from gateway.printers.member_columns import KindPrinter, MemberColumnsPrinter
from gateway.printers.printer import merged_printer
from gateway.request import RequestInfo

_ALWAYS = frozenset(version.gvr.group_resource for kind in BUILT_IN_KINDS for version in kind.versions)


_Seen = tuple[GroupVersionResource, frozenset[str]]
_PRINTERS = 256
"""So many are kept, of kinds and sets of members that callers see."""


class MemberKinds:
    """What is cached beside Pods and Events.

    Mutable state: the printers of custom kinds for those who see the same members, each with the columns there were
    when it was made.
    """

    def __init__(self, config: CacheConfig, cache: MultiClusterCache) -> None:
        """Nothing is asked or cached before members join."""
        names = [name for name in parse_resource_names(config.resources) if not name.group_resources & _ALWAYS]
        self._cache = cache
        self._printers: LRUCache[_Seen, tuple[Mapping[str, Columns], MemberColumnsPrinter]] = LRUCache(_PRINTERS)
        self.resources = MemberResources(names, found=self._found, now=time.monotonic)

    @property
    def found(self) -> dict[str, GroupVersionResource]:
        """What is cached, by the name of the resource."""
        return {str(resource.gvr.group_resource): resource.gvr for resource in self.resources.resources}

    @property
    def loop(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """What runs for ever beside the server."""
        return self.resources.run

    def join(self, name: str, upstream: Upstream) -> None:
        """Look for the kinds in a member, too."""
        self.resources.join(name, upstream)

    def leave(self, name: str) -> None:
        """Look there no longer."""
        self.resources.leave(name)

    def unreadable(self) -> Mapping[str, Mapping[str, str]]:
        """Return by member which of the kinds cannot be read there, and why."""
        found: dict[str, dict[str, str]] = {}
        for name, gvr in self.found.items():
            merged = self._cache.resource(gvr)
            for state in merged.freshness() if merged else ():
                if state.error:
                    found.setdefault(state.name, {})[name] = state.error
        for member, resources in self.resources.only_in_other_versions().items():
            for resource, versions in resources.items():
                why = f"it is served there as {', '.join(versions)} only"
                found.setdefault(member, {}).setdefault(str(resource), why)
        return found

    def printer(self, info: RequestInfo, visible: Visible = everyone) -> KindPrinter:
        """Return what prints the objects of a merged kind, by the columns that the visible members declare now."""
        gvr = info.group_version_resource
        if (printer := merged_printer(gvr.group_resource)) is not None:
            return printer
        columns = self.resources.columns(gvr)
        seen = frozenset(filter(visible, columns))
        known = self._printers.get((gvr, seen))
        if known is None or known[0] is not columns:
            custom = any(resource.gvr == gvr and resource.custom for resource in self.resources.resources)
            shown = {name: own for name, own in columns.items() if name in seen}
            known = self._printers[gvr, seen] = columns, MemberColumnsPrinter(shown, built_in=not custom)
        return known[1]

    async def _found(self, resource: ApiResource) -> None:
        if self._cache.resource(resource.gvr) is not None:
            return  # a look that was cut short had come this far
        kind = ResourceKind.generic(resource.gvr, resource.kind)
        await self._cache.add_kind(kind, _renderer(resource.gvr.group_resource))


def _renderer(resource: GroupResource) -> CellRenderer | None:
    printer = merged_printer(resource)
    return None if printer is None else printer.render
