"""A member cluster with one resource, as a kube-apiserver with etcd behaves, and everything that can go wrong with it.

Consistent paged lists, watches with bookmarks, compaction; and on demand: down, frozen, streams cut inside a line,
events twice or out of order, restored from an older backup, replaced by a fresh cluster.
"""

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field

from cache.lister_watcher import Expired, NotServed, Unavailable
from cache.reflector import SAMPLE
from gateway.apimachinery.meta import JsonObject

BOOKMARK_PERIOD = 60.0
REVISION_ANNOTATION = "test/revision"
"""Says in the object itself which of its states this is."""
Key = tuple[str, str]


@dataclass
class _Stream:
    """An open watch: the version it began after, its lines, and how it is to end."""

    start: int
    joins: bool
    muted: bool = False
    lines: "asyncio.Queue[bytes | Exception | None]" = field(default_factory=asyncio.Queue)

    def at_hand(self) -> bytes | None:
        """A line that can be sent together with the one before it, as several writes share a segment."""
        if not self.joins or self.lines.empty() or not isinstance(self.lines._queue[0], bytes):  # type: ignore[attr-defined]  # looking without taking
            return None
        line = self.lines.get_nowait()
        assert isinstance(line, bytes)
        return line


class FakeMember:
    def __init__(self, revision: int = 100) -> None:
        self.revision = revision
        self.objects: dict[Key, JsonObject] = {}
        self.log: list[tuple[int, str, JsonObject]] = []
        self.compacted = 0
        self.down = False
        self.frozen = False
        self.served = True
        self.latency = 0.0
        self.chunks: Callable[[bytes], Iterable[bytes]] = lambda line: (line,)
        """How the lines of watches are cut on the way."""
        self.joins = False
        """Whether lines that wait are sent in one piece."""
        self.faults: list[Exception | bytes] = []
        """What the next requests are answered with: an error, or bytes: a list lacks so many at its end."""
        self.ever: dict[tuple[str, str], list[JsonObject]] = {}
        """By uid and version, all states that any object ever had: a restored member issues versions twice."""
        self.lists = 0  # without those that only take a sample
        self.watches = 0
        self._stops = 0
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._streams: list[_Stream] = []
        self._pages: dict[str, tuple[int, list[JsonObject]]] = {}

    # What happens in the cluster

    def put(self, obj: JsonObject) -> JsonObject:
        """Create or update; returns the object with its resourceVersion, as the answer to the write."""
        key = _key(obj)
        event_type = "MODIFIED" if key in self.objects else "ADDED"
        return self._record(event_type, obj)

    def delete(self, name: str, namespace: str = "default") -> None:
        self._record("DELETED", self.objects[namespace, name])

    def _record(self, event_type: str, obj: JsonObject) -> JsonObject:
        self.revision += 1
        obj = copy.deepcopy(obj)
        obj["metadata"]["resourceVersion"] = str(self.revision)
        obj["metadata"].setdefault("annotations", {})[REVISION_ANNOTATION] = str(self.revision)
        if event_type == "DELETED":
            del self.objects[_key(obj)]
        else:
            self.objects[_key(obj)] = obj
        self.log.append((self.revision, event_type, obj))
        self.ever.setdefault((obj["metadata"]["uid"], str(self.revision)), []).append(obj)
        self._send(_line(event_type, obj), self.revision)
        return copy.deepcopy(obj)

    def compact(self) -> None:
        """Forget the past: older watches and list pages are 410 from now on."""
        self.compacted = self.revision
        self.log.clear()
        self._pages.clear()

    def backup(self) -> tuple[int, dict[Key, JsonObject]]:
        return self.revision, copy.deepcopy(self.objects)

    def restore(self, backup: tuple[int, dict[Key, JsonObject]]) -> None:
        """Go back to a backup, as an etcd restore does. The API server has to be down for that."""
        self.revision, self.objects = backup[0], copy.deepcopy(backup[1])
        self.log.clear()
        self._pages.clear()
        self.compacted = self.revision

    # What goes wrong on the way

    def stop(self) -> None:
        """Kill it, frozen or not: its connections break at once."""
        self.thaw()
        self.down = True
        self._stops += 1
        self.end_watches(Unavailable("connection reset"))

    def start(self) -> None:
        self.down = False

    def freeze(self) -> None:
        self.frozen = True
        self._thawed.clear()

    def thaw(self) -> None:
        self.frozen = False
        self._thawed.set()

    def mute(self) -> None:
        """Lose the connections of the open watches without a word: neither side hears of it."""
        for stream in self._streams:
            stream.muted = True

    def end_watches(self, error: Exception | None = None) -> None:
        for stream in self._streams:
            stream.lines.put_nowait(error)

    def send_raw(self, line: bytes) -> None:
        """Put bytes into every open watch."""
        self._send(line)

    def _send(self, line: bytes, revision: int = 1 << 62) -> None:
        """A watch from a version that lies in the future, as after a restore, is silent until that is reached."""
        for stream in self._streams:
            if revision > stream.start:
                stream.lines.put_nowait(line)

    # The port

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        self.lists += limit != SAMPLE
        shortened = await self._answer()
        page = self._page(limit, continue_token)
        life = self._stops
        await asyncio.sleep(self.latency)  # the state is that of the request, whatever happens until it arrives
        if life != self._stops:
            raise Unavailable("connection reset")
        return page[: -len(shortened)] if shortened else page

    def _page(self, limit: int, continue_token: str) -> bytes:
        if continue_token:
            if continue_token not in self._pages:
                raise Expired("410 the continue token is too old")
            revision, rest = self._pages[continue_token]
        else:
            revision, rest = self.revision, [copy.deepcopy(self.objects[key]) for key in sorted(self.objects)]
        page, rest = (rest[:limit], rest[limit:]) if limit else (rest, [])
        metadata: JsonObject = {"resourceVersion": str(revision)}
        if rest:
            metadata["continue"] = f"token-{revision}-{len(self._pages)}"
            metadata["remainingItemCount"] = len(rest)
            self._pages[metadata["continue"]] = revision, rest
        for item in page:
            item.pop("kind")
            item.pop("apiVersion")
        return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": page}).encode()

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        self.watches += 1
        await self._answer()
        yield b""
        start = int(resource_version)
        if start < self.compacted:
            status = {"kind": "Status", "code": 410, "message": f"too old resource version: {start}"}
            yield _line("ERROR", status)
            return
        stream = _Stream(start, self.joins)
        for revision, event_type, obj in self.log:
            if revision > start:
                stream.lines.put_nowait(_line(event_type, obj))
        self._streams.append(stream)
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    for chunk in self.chunks(await self._next(stream)):
                        yield chunk
        except (TimeoutError, _EndOfStream):
            return
        finally:
            self._streams.remove(stream)

    async def _next(self, stream: _Stream) -> bytes:
        try:
            async with asyncio.timeout(BOOKMARK_PERIOD):
                line = await stream.lines.get()
        except TimeoutError:
            line = _line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(self.revision)}})
        await self._thawed.wait()
        if stream.muted:
            await asyncio.Event().wait()
        while isinstance(line, bytes) and (following := stream.at_hand()) is not None:
            line += following
        if line is None:
            raise _EndOfStream
        if isinstance(line, Exception):
            raise line
        return line

    async def _answer(self) -> bytes:
        await self._thawed.wait()
        if self.down:
            raise Unavailable("connection refused")
        if not self.served:
            raise NotServed("the server could not find the requested resource")
        fault = self.faults.pop(0) if self.faults else b""
        if isinstance(fault, Exception):
            raise fault
        return fault


class _EndOfStream(Exception):
    pass


def _key(obj: JsonObject) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _line(event_type: str, obj: JsonObject) -> bytes:
    return json.dumps({"type": event_type, "object": obj}).encode() + b"\n"
