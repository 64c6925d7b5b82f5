"""Records Events in a member's store; one that happens again raises the count of the one that is there."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersionResource
from gateway.simulation.events import Happening, Source, build_event
from gateway.storage.controllers.object_registry import MERGE_PATCH
from gateway.storage.object_meta import timestamp
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext

EVENTS = GroupVersionResource("", "v1", "events")

_REMEMBERED = 4096
"""Events that can still be counted up; older ones are recorded anew when they happen again."""

logger = logging.getLogger(__name__)


class EventRecorder:
    """Records Events in one store. A failure is logged and forgotten: Events never hold up what they tell of."""

    def __init__(self, registry: Registry, source: Source, now: Callable[[], float]) -> None:
        """Report as `source`."""
        self._registry = registry
        self._source = source
        self._now = now
        self._number = 0
        self._recorded: OrderedDict[tuple[str, Happening], tuple[ObjectKey, int]] = OrderedDict()

    async def record(self, obj: JsonObject, *happenings: Happening, host: str = "") -> None:
        """Record what happened to an object; `host` is the node it happened on."""
        source = Source(self._source.component, host or self._source.host)
        for happening in happenings:
            try:
                await self._record(obj, happening, source)
            except ApiError as error:
                logger.debug("an Event about %s was not recorded: %s", meta.key(obj), error)

    async def _record(self, obj: JsonObject, happening: Happening, source: Source) -> None:
        definition = self._registry.find(EVENTS)
        if definition is None:
            return
        context = WriteContext.internal(source.component)
        identity = (meta.uid(obj), happening)
        key, count = self._recorded.pop(identity, (None, 0))
        if key is not None and self._registry.storage.get(definition.storage_key, key) is not None:
            count += 1
            patch = {"count": count, "lastTimestamp": timestamp(self._now())}
            await self._registry.patch(definition, key, MERGE_PATCH, patch, context)
        else:
            self._number = max(self._number + 1, int(self._now() * 1e9))
            event = build_event(obj, happening, source, self._now(), self._number)
            key, count = meta.key(event), 1
            await self._registry.create(definition, key.namespace, event, context)
        self._recorded[identity] = (key, count)
        if len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)
