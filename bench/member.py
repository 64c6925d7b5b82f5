"""Fast members in a process of their own: lists, pages and watches of Pods over TLS, from bytes that are ready.

Run by servers.py: `python -m bench.member`. Each member has a port. A line "INDEX TIME" on standard input changes a
Pod: the time goes into its annotation, and an event to every watch of its member. The end of input ends the process.
"""

import argparse
import asyncio
import ssl
import sys
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


class Member:
    """The Pods of one member; a Pod's index is its key."""

    def __init__(self, indexes: range, *, keep: bool) -> None:
        """Encode the Pods, if they are to be kept."""
        self._version = _FIRST_VERSION + len(indexes)
        self._indexes = indexes
        self._pods = {index: self._encoded(index) for index in indexes} if keep else {}
        self._order = sorted(indexes, key=lambda index: (corpus.namespace(index), corpus.name(index)))
        self._watches: set[asyncio.Queue[bytes]] = set()

    def _encoded(self, index: int) -> bytes:
        return corpus.pod_json(index, _FIRST_VERSION + 1 + self._indexes.index(index))

    def change(self, index: int, sent: str) -> None:
        """Change a Pod."""
        self._version += 1
        self._pods[index] = pod = corpus.pod_json(index, self._version).replace(corpus.UNSENT.encode(), sent.encode())
        line = b'{"type":"MODIFIED","object":' + pod + b"}\n"
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
        status = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}'
        return web.Response(status=404, body=status, headers=_JSON)

    def _list(self, limit: int, token: str) -> web.Response:
        start = int(token or 0)
        end = start + limit if limit else len(self._order)
        more = b',"continue":"%d"' % end if end < len(self._order) else b""
        head = b'{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"%d"%s},"items":['
        items = b",".join([self._pods.get(index) or self._encoded(index) for index in self._order[start:end]])
        return web.Response(body=b"".join((head % (self._version, more), items, b"]}")), headers=_JSON)

    async def _watch(self, request: web.BaseRequest, *, pods: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers=_JSON)
        await response.prepare(request)
        lines: asyncio.Queue[bytes] = asyncio.Queue()
        if pods:
            self._watches.add(lines)
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


async def _serve(members: list[Member], ports: list[int], context: ssl.SSLContext) -> None:
    loop = asyncio.get_running_loop()
    for member, port in zip(members, ports, strict=True):
        await loop.create_server(web.Server(member.handle), "127.0.0.1", port, ssl=context)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("members are ready", flush=True)
    while line := await lines.readline():
        index, sent = line.decode().split()
        # Round robin, as the indexes were dealt out.
        members[int(index) % len(members)].change(int(index), sent)


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
    uvloop.run(_serve(members, ports, context))


if __name__ == "__main__":
    main()
