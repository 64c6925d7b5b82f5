"""Follows one resource of one API server and keeps its objects: list, watch, and again after every failure."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing

import msgspec

from cache.line_splitter import LineSplitter
from cache.lister_watcher import Expired, ListerWatcher, ListWatchError, Unavailable
from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, ObjectKey

_LIST_SECONDS = 30.0
_WATCH_SECONDS = 600
_SILENCE = 90.0
"""Seconds that a watch may be silent; bookmarks come every minute."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0

logger = logging.getLogger(__name__)


class Informer:
    """The objects of one resource, by key. `run` is their only writer.

    Args:
        name: what log lines call the API server.
        source: lists and watches.
        changed: called after each change with the key of the object, and for every object after a list.
        listed: called after each list, when all of it is known.
    """

    def __init__(
        self,
        name: str,
        source: ListerWatcher,
        changed: Callable[[ObjectKey], None],
        *,
        listed: Callable[[], None] = lambda: None,
    ) -> None:
        self.objects: dict[ObjectKey, JsonObject] = {}
        self.synced = False
        self._name = name
        self._source = source
        self._changed = changed
        self._listed = listed

    async def run(self) -> None:
        """Follow until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                version = await self._list()
                pause = _FIRST_PAUSE
                while True:
                    version = await self._watch(version)
            except Expired:
                continue
            except (ListWatchError, TimeoutError, msgspec.MsgspecError) as error:
                logger.info("%s cannot be followed and will be asked again: %s", self._name, error)
            await asyncio.sleep(pause * (1 + random.random()))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self) -> str:
        async with asyncio.timeout(_LIST_SECONDS):
            body = await self._source.list(limit=0, continue_token="")
        document = msgspec.json.decode(body)
        listed = {meta.key(item): item for item in document.get("items") or []}
        keys = sorted(self.objects.keys() | listed.keys())
        self.objects = listed
        self.synced = True
        for key in keys:
            self._changed(key)
        self._listed()
        return meta.resource_version(document)

    async def _watch(self, version: str) -> str:
        """Follow one watch to its orderly end and return the version to go on from. Raises ListWatchError."""
        splitter = LineSplitter()
        async with aclosing(self._source.watch(resource_version=version, timeout_seconds=_WATCH_SECONDS)) as stream:
            while True:
                async with asyncio.timeout(_SILENCE):
                    chunk = await anext(stream, None)
                if chunk is None:
                    return version
                for line in splitter.feed(chunk):
                    version = self._apply(msgspec.json.decode(line))

    def _apply(self, event: JsonObject) -> str:
        obj = event["object"]
        if event["type"] == "ERROR":
            message = str(obj.get("message"))
            raise Expired(message) if obj.get("code") == 410 else Unavailable(message)
        if event["type"] == "DELETED":
            self.objects.pop(meta.key(obj), None)
        elif event["type"] != "BOOKMARK":
            self.objects[meta.key(obj)] = obj
        if event["type"] != "BOOKMARK":
            self._changed(meta.key(obj))
        return meta.resource_version(obj)
