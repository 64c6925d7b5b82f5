"""Fast members in a process of their own: lists, pages and watches of Pods over TLS, from bytes that are ready.

Run by servers.py: `python -m bench.member`. Each member has a port. Lines on standard input are commands:

    put INDEX TIME LIFE   make or change a Pod: the time goes into its annotation, the number of its life into its uid
    delete INDEX          delete one
    down MEMBER           hang up on everybody and refuse connections; Pods still change
    up MEMBER             accept connections again

The end of input ends the process.
"""

import argparse
import asyncio
import ssl
import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path

import uvloop
from aiohttp import web

from bench import corpus

_FIRST_VERSION = 1000
_JSON = {"Content-Type": "application/json"}
_KEPT = 200_000
"""So many Pods of all members are kept encoded; more are encoded for each page anew, which takes time and no memory."""
_BOOKMARK_PERIOD = 30.0
"""Seconds; a gateway takes a longer silence for a dead connection."""


_HISTORY = 2000
"""So many events a member remembers for watches that go on; older versions are Expired."""
_READINGS = 8
"""So many lists can be read page by page at once, each as it was at its first page."""


class Member:
    """The Pods of one member; a Pod's index is its key."""

    def __init__(self, indexes: range, *, keep: bool) -> None:
        """Encode the Pods, if they are to be kept."""
        self._version = _FIRST_VERSION + len(indexes)
        self._indexes = indexes
        self._pods = {index: self._encoded(index) for index in indexes} if keep else {}
        self._order = sorted(map(_place, indexes))
        self._watches: set[asyncio.Queue[bytes]] = set()
        self._history: deque[tuple[int, bytes]] = deque(maxlen=_HISTORY)
        self._readings: dict[str, tuple[list[_Place], dict[int, bytes]]] = {}

    def _encoded(self, index: int) -> bytes:
        return corpus.pod_json(index, _FIRST_VERSION + 1 + self._indexes.index(index))

    def put(self, index: int, sent: str, life: int) -> None:
        """Make or change a Pod."""
        place = _place(index)
        at = bisect_left(self._order, place)
        known = self._order[at : at + 1] == [place]
        if not known:
            self._order.insert(at, place)
        self._pods[index] = pod = corpus.changed(corpus.pod_json(index, self._version + 1), sent, life)
        self._tell(b"MODIFIED" if known else b"ADDED", pod)

    def delete(self, index: int) -> None:
        """Delete a Pod. Raises ValueError where there is none."""
        pod = self._pods.pop(index, None) or self._encoded(index)
        self._order.remove(_place(index))
        # Its last state, under the version of its end.
        self._tell(b"DELETED", corpus.at_version(pod, self._version + 1))

    def _tell(self, kind: bytes, pod: bytes) -> None:
        self._version += 1
        line = b'{"type":"%s","object":%s}\n' % (kind, pod)
        self._history.append((self._version, line))
        for watch in self._watches:
            watch.put_nowait(line)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer what a gateway asks of a member."""
        if request.path == "/version":
            return web.Response(body=b'{"gitVersion":"v1.36.3"}', headers=_JSON)
        if request.path in {"/readyz", "/livez", "/healthz"}:
            return web.Response(text="ok")
        pods = request.path == "/api/v1/pods"
        if request.query.get("watch") in {"1", "true"}:
            return await self._watch(request, pods=pods)
        if pods:
            return self._list(int(request.query.get("limit") or 0), request.query.get("continue", ""))
        if request.path.endswith("/events"):
            empty = b'{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[]}'
            return web.Response(body=empty % self._version, headers=_JSON)
        return _refusal(404, b"NotFound")

    def _list(self, limit: int, token: str) -> web.Response:
        reading, _, position = token.partition(":")
        version, start = reading or str(self._version), int(position or 0)
        order, pods = self._readings.get(version, (self._order, self._pods))
        if token and version not in self._readings and version != str(self._version):
            return _refusal(410, b"Expired")
        end = start + limit if limit else len(order)
        more = b""
        if end < len(order):
            more = b',"continue":"%s:%d"' % (version.encode(), end)
            self._keep_reading(version, order, pods)
        head = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%s"%s},"items":['
        items = b",".join([pods.get(index) or self._encoded(index) for _, _, index in order[start:end]])
        return web.Response(body=b"".join((head % (version.encode(), more), items, b"]}")), headers=_JSON)

    def _keep_reading(self, version: str, order: "list[_Place]", pods: dict[int, bytes]) -> None:
        if version not in self._readings:
            self._readings[version] = (order[:], dict(pods))
            if len(self._readings) > _READINGS:
                del self._readings[next(iter(self._readings))]

    def _missed(self, version: int) -> list[bytes] | None:
        """The events since a version; None where some of them are forgotten."""
        if version < self._version - len(self._history):
            return None
        return [line for _, line in dropwhile(lambda event: event[0] <= version, self._history)]

    async def _watch(self, request: web.BaseRequest, *, pods: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers=_JSON)
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        if pods:
            missed = self._missed(int(request.query.get("resourceVersion") or self._version))
            if missed is None:
                return _refusal(410, b"Expired")
            for line in missed:
                lines.put_nowait(line)
            self._watches.add(lines)
        await response.prepare(request)
        try:
            while True:
                await response.write(await self._next(lines, b"Pod" if pods else b"Event"))
        except ConnectionResetError:
            return response  # the gateway has gone, as it may
        finally:
            self._watches.discard(lines)

    async def _next(self, lines: asyncio.Queue[bytes], kind: bytes) -> bytes:
        try:
            async with asyncio.timeout(_BOOKMARK_PERIOD):
                return await lines.get()
        except TimeoutError:
            bookmark = (
                b'{"type":"BOOKMARK","object":{"kind":"%s","apiVersion":"v1","metadata":{"resourceVersion":"%d"}}}\n'
            )
            return bookmark % (kind, self._version)


_Place = tuple[str, str, int]


def _place(index: int) -> _Place:
    """Where a Pod stands in a list."""
    return corpus.namespace(index), corpus.name(index), index


def _refusal(code: int, reason: bytes) -> web.Response:
    status = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"%s","code":%d}' % (reason, code)
    return web.Response(status=code, body=status, headers=_JSON)


_GRACE = 0.01
"""Seconds that a watch may go on; aiohttp waits for ever where that is none."""


class Door:
    """The port of a member."""

    def __init__(self, member: Member, port: int, context: ssl.SSLContext) -> None:
        """It is closed."""
        self._member, self._port, self._context = member, port, context

    async def open(self) -> None:
        """Accept connections."""
        self._server = web.Server(self._member.handle)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", self._port, ssl=self._context)

    async def close(self) -> None:
        """Hang up on everybody."""
        self._listener.close()
        await self._server.shutdown(_GRACE)


async def _serve(members: Sequence[Member], doors: Sequence[Door]) -> None:
    for door in doors:
        await door.open()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("members are ready", flush=True)
    while line := await lines.readline():
        command, number, *arguments = line.decode().split()
        index = int(number)
        # Round robin, as the indexes were dealt out.
        member = members[index % len(members)]
        match command:
            case "put":
                member.put(index, arguments[0], int(arguments[1]))
            case "delete":
                member.delete(index)
            case "down":
                await doors[index].close()
            case "up":
                await doors[index].open()
            case _:
                raise ValueError(f"no command {command!r}")


def main() -> None:
    """Command line: serve until the end of input."""
    parser = argparse.ArgumentParser(prog="python -m bench.member")
    parser.add_argument("--first", type=int, required=True, help="index of the first Pod")
    parser.add_argument("--end", type=int, required=True, help="index behind the last Pod")
    parser.add_argument("--ports", required=True, help="of the members, with commas")
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    ports = [int(port) for port in arguments.ports.split(",")]
    members = []
    for number in range(len(ports)):
        start = arguments.first + (number - arguments.first) % len(ports)
        keep = arguments.end - arguments.first <= _KEPT
        members.append(Member(range(start, arguments.end, len(ports)), keep=keep))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(arguments.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(arguments.certificate, arguments.key)
    doors = [Door(member, port, context) for member, port in zip(members, ports, strict=True)]
    uvloop.run(_serve(members, doors))


if __name__ == "__main__":
    main()
