"""Replicas of the gateway tell each other, in ConfigMaps of the federation store, how far they have read the members.

One ConfigMap a slot, written every two seconds while something changes and every ten otherwise, and read as often. It
is never needed to serve: without it clients that move from one replica to another list anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from urllib.parse import quote

from cache.checkpoints import Published
from cache.multi_cluster_cache import MultiClusterCache
from cache.resource_version import SLOTS, TICKS
from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.clusters.checkpoint_map import CONTESTED, DATA, HOLDER, NAME, RENEWED, decode, encode, seconds
from gateway.clusters.upstream import Upstream

_INTERVAL = 2.0
_RENEWAL = 10.0
_DEAD = 15.0
"""Seconds without a renewal after which the replica of a slot is gone."""
_DOUBT = 300.0
"""Seconds for which nothing is believed of a slot that two replicas had."""
_TIMEOUT = 2.0
_AHEAD = 30
"""Seconds by which versions run ahead of the time where others could not be told that a run began."""

_log = logging.getLogger(__name__)


class CheckpointStore:
    """Publishes our checkpoints and knows those of others. Mutable state: what was read, and how publishing goes."""

    def __init__(
        self,
        upstream: Upstream,
        namespace: str,
        slot: int,
        cache: MultiClusterCache,
        *,
        holder: str,
        now: Callable[[], float],
    ) -> None:
        """`holder` names this replica from run to run. The cache shares what is read from now on."""
        self._upstream = upstream
        self._namespace = namespace
        self._slot = slot
        self._cache = cache
        self._holder = holder
        self._now = now
        self._others: dict[int, Mapping[str, Published]] = {}
        self._decoded: dict[int, tuple[str, Mapping[str, Published]]] = {}  # by slot, with the ConfigMap's version
        self._reading = asyncio.Lock()
        self._reads = 0
        self._read_last = False
        self._written: object = None
        self._renewed = 0.0
        self._former: dict[str, Published] | None = None  # what the run before said, until its kinds are cached
        self._rival = ("", "", 0.0)  # another holder of our slot, its last renewal, and since when that is known
        self._fault = ""
        self.contested = False
        """Whether another replica has our slot."""
        cache.share(lambda gvr: _Peers(self, _text(gvr)))

    @property
    def active(self) -> bool:
        """Whether others are told of our checkpoints, and we of theirs."""
        return not self._fault and not self.contested

    # The loop

    async def begin(self) -> None:
        """Tell others that a run begins, before anything is served. Never fails."""
        if not await self.exchange() or self._former is None:
            # Others may hold what the run before said for what this one says, unless the versions lie apart.
            self._cache.run_ahead(int((self._now() + _AHEAD) * TICKS) * SLOTS)

    async def run(self) -> None:
        """Read and write until cancelled, and then write once more."""
        try:
            while True:
                await self.exchange()
                await asyncio.sleep(_INTERVAL)
        finally:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    await self._publish(last=True)
            except (TimeoutError, ApiError, PathNotFound) as fault:
                _log.info("the last checkpoints could not be told to other replicas: %s", fault)

    async def exchange(self) -> bool:
        """Read what others say and say what is new; whether both went well. Complains once."""
        try:
            async with self._reading:
                await self._read()
            await self._publish()
        except (ApiError, PathNotFound) as fault:
            self._complain(str(fault) or "the store does not serve ConfigMaps")
            return False
        if self._fault:
            _log.info("checkpoints are exchanged with other replicas again")
        self._fault = ""
        return not self.contested

    def _complain(self, fault: str) -> None:
        if not self._fault:
            _log.warning(
                "clients that come from another replica have to list anew: checkpoints cannot be exchanged in the "
                "namespace %s of the federation store: %s", self._namespace, fault,
            )  # fmt: skip
        self._fault = fault

    # What others say

    async def ask(self) -> bool:
        """Read again, once for all who ask meanwhile; False when it cannot be read."""
        asked = self._reads
        async with self._reading:
            # What was begun after the question answers it.
            return self._read_last if self._reads > asked else await self._read_well()

    async def _read_well(self) -> bool:
        try:
            await self._read()
        except (ApiError, PathNotFound) as fault:
            self._complain(str(fault) or "the store does not serve ConfigMaps")
        return self._read_last

    def known(self, slot: int, kind: str) -> Published | None:
        """What the replica of another slot said of a kind when it was read last."""
        return self._others.get(slot, {}).get(kind)

    async def _read(self) -> None:
        self._reads += 1
        self._read_last = False
        listed = await self._upstream.get_json(self._path(), timeout=_TIMEOUT)
        items = listed.get("items")
        found = {meta.name(item): item for item in items if isinstance(item, dict)} if isinstance(items, list) else {}
        others: dict[int, Mapping[str, Published]] = {}
        for slot in range(SLOTS):
            item = found.get(f"{NAME}{slot}")
            if item is not None and slot != self._slot and not self._is_contested(item):
                others[slot] = await self._decode(slot, item)
        self._read_last = True
        if others != self._others:
            self._others = others
            for cacher in self._cache.cachers().values():
                cacher.changed()

    async def _decode(self, slot: int, item: JsonObject) -> Mapping[str, Published]:
        version, known = self._decoded.get(slot, ("", {}))
        if not version or version != meta.resource_version(item):
            known = await asyncio.to_thread(decode, item)
            self._decoded[slot] = meta.resource_version(item), known
        return known

    def _is_contested(self, item: JsonObject) -> bool:
        return seconds(item, CONTESTED) > self._now() - _DOUBT

    # What we say

    async def _publish(self, *, last: bool = False) -> None:
        kinds = self._checkpoints()
        facts = {kind: published.checkpoints for kind, published in kinds.items()}
        if not last and facts == self._written and self._now() - self._renewed < _RENEWAL:
            return
        known = await self._own()
        if known is not None and self._is_taken(known):
            await self._stand_back(known)
            return
        if self._former is None:
            self._former = dict(await asyncio.to_thread(decode, known)) if known else {}
            kinds = self._checkpoints()
        self._contest(False)
        content = await asyncio.to_thread(encode, kinds)
        await self._write(known, content, "" if last else self._holder)
        self._written, self._renewed = facts, self._now()

    def _checkpoints(self) -> dict[str, Published]:
        said = {}
        for gvr, cacher in self._cache.cachers().items():
            if cacher.replicas is None:
                continue
            if self._former and (former := self._former.pop(_text(gvr), None)):
                cacher.replicas.remember(former.checkpoints)
            said[_text(gvr)] = cacher.replicas.checkpoint()
        return said

    def _is_taken(self, known: JsonObject) -> bool:
        """Whether another replica has our slot, as far as is known by how long it has not renewed it."""
        annotations = meta.annotations(known)
        holder, renewed = annotations.get(HOLDER, ""), annotations.get(RENEWED, "")
        if not holder or holder == self._holder:
            return False
        if self._rival[:2] != (holder, renewed):
            self._contest(self._rival[0] == holder)
            self._rival = holder, renewed, self._now()
        return self._now() - self._rival[2] < _DEAD

    def _contest(self, contested: bool) -> None:
        """Two replicas of one slot cannot be told apart by their versions, so nobody is to believe either."""
        if contested and not self.contested:
            _log.error(
                "another gateway is replica %d, too: give each its own number (cache.replica); until then clients that "
                "come from a replica of that number have to list anew", self._slot,
            )  # fmt: skip
        self.contested = contested
        for cacher in self._cache.cachers().values():
            cacher.cache.resumption.contested = contested

    async def _stand_back(self, known: JsonObject) -> None:
        """Do not write over what another one says; have nobody believe it, once it is sure to live."""
        self._written = None
        if self.contested:
            await self._patch({CONTESTED: str(self._now())}, meta.name(known))

    async def _own(self) -> JsonObject | None:
        return await self._upstream.find_json(self._path(f"{NAME}{self._slot}"), timeout=_TIMEOUT)

    async def _write(self, known: JsonObject | None, content: str, holder: str) -> None:
        """Write on the condition that nobody else did since it was read."""
        annotations = {HOLDER: holder, RENEWED: str(self._now())}
        if known is not None and (contested := meta.annotations(known).get(CONTESTED)):
            annotations[CONTESTED] = contested
        metadata: JsonObject = {"name": f"{NAME}{self._slot}", "namespace": self._namespace, "annotations": annotations}
        body: JsonObject = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": {DATA: content},
        }
        if known is not None:
            metadata["resourceVersion"] = meta.resource_version(known)
            await self._upstream.send_json("PUT", self._path(f"{NAME}{self._slot}"), body, timeout=_TIMEOUT)
            return
        try:
            await self._upstream.send_json("POST", self._path(), body, timeout=_TIMEOUT)
        except ApiError as error:
            if error.code != 404:
                raise
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
            await self._upstream.send_json("POST", "/api/v1/namespaces", namespace, timeout=_TIMEOUT)
            await self._upstream.send_json("POST", self._path(), body, timeout=_TIMEOUT)

    async def _patch(self, annotations: Mapping[str, str], name: str) -> None:
        body: JsonObject = {"metadata": {"annotations": dict(annotations)}}
        headers = {"Content-Type": "application/merge-patch+json"}
        await self._upstream.send_json("PATCH", self._path(name), body, headers=headers, timeout=_TIMEOUT)

    def _path(self, name: str = "") -> str:
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/configmaps"
        return f"{path}/{name}" if name else path


class _Peers:
    """What others say of one kind."""

    def __init__(self, store: CheckpointStore, kind: str) -> None:
        self._store = store
        self._kind = kind

    async def ask(self, slot: int) -> Published | None:
        """Read again what a replica says."""
        if self._store.contested or not await self._store.ask():
            return None
        return self.known(slot)

    def known(self, slot: int) -> Published | None:
        """What it said when it was read last."""
        return self._store.known(slot, self._kind)


def _text(gvr: GroupVersionResource) -> str:
    return f"{gvr.group}/{gvr.version}/{gvr.resource}"
