"""Answers `kubectl exec` for a simulated Pod over WebSocket, with the commands of commands.py. Nothing is ever run.

The protocol is that of kubelet, v5.channel.k8s.io and v4 (apimachinery `util/remotecommand`): each message begins with
the number of its channel, and the last one on the error channel is a Status with the exit code.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncIterator, Callable

from aiohttp import WSMsgType, web

from gateway.apimachinery.codec import encode_json
from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.handlers.response import answer_headers
from gateway.proxy.upgrade import requested_protocol
from gateway.request import truthy
from gateway.request_scope import RequestScope
from gateway.simulation.member.commands import SHELLS, Output, Surroundings, run_command, run_line, surroundings
from gateway.simulation.member.container_choice import choose_container, container_status
from gateway.simulation.member.objects import definition
from gateway.simulation.member.terminal import LineReader
from gateway.storage.registry import Registry

_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_PROMPT = "# "


class ExecHandler:
    """exec into one member's Pods."""

    def __init__(self, registry: Registry, cluster: str, now: Callable[[], float]) -> None:
        """`cluster` is the member's name."""
        self._registry = registry
        self._pods = definition(registry, "v1", "pods")
        self._cluster = cluster
        self._now = now

    async def respond(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer one request. Raises ApiError before the upgrade: no such Pod, not running, or another protocol."""
        pod = self._pods.object(await self._registry.get(self._pods, ObjectKey(scope.info.namespace, scope.info.name)))
        container = choose_container(pod, scope.query.get("container", ""))
        status = container_status(pod, container["name"])
        if field(status or {}, "state", "running") is None:
            raise ApiError(
                500, "InternalError", f'unable to upgrade connection: container not found ("{container["name"]}")'
            )
        if requested_protocol(request.headers) != "websocket":
            raise bad_request("a simulated Pod speaks exec over WebSocket only (kubectl 1.30 or newer), not SPDY")
        command = request.rel_url.query.getall("command", [])
        if not command:
            raise bad_request("you must specify at least 1 command for the container")
        socket = web.WebSocketResponse(protocols=_PROTOCOLS, autoclose=True)
        socket.headers.update(answer_headers(request))
        await socket.prepare(request)
        channels = _Channels(socket, has_input=truthy(scope.query, "stdin"), tty=truthy(scope.query, "tty"))
        around = surroundings(pod, container, self._cluster, self._now())
        if command[0] in SHELLS and "-c" not in command:
            code = await _shell(channels, around)
        else:
            code = await channels.show(run_command(command, around))
        await channels.end(code)
        return socket


class _Channels:
    """The channels of one exec."""

    def __init__(self, socket: web.WebSocketResponse, *, has_input: bool, tty: bool) -> None:
        self._socket = socket
        self._has_input = has_input
        self.tty = tty

    async def show(self, output: Output) -> int:
        """Write a command's output and return its exit code."""
        if self.tty:
            await self._send(_STDOUT, (output.stdout + output.stderr).replace("\n", "\r\n"))
        else:
            await self._send(_STDOUT, output.stdout)
            await self._send(_STDERR, output.stderr)
        return output.exit_code

    async def write(self, text: str) -> None:
        """Write to standard output."""
        await self._send(_STDOUT, text)

    async def _send(self, channel: int, text: str) -> None:
        if text:
            await self._socket.send_bytes(bytes([channel]) + text.encode())

    async def input(self) -> AsyncIterator[str]:
        """Yield what the client types, until it closes its end; nothing when it sends no input."""
        if not self._has_input:
            return
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, content = message.data[0], message.data[1:]
            if channel == _CLOSE and content[:1] == bytes([_STDIN]):
                return
            if channel == _STDIN and content:
                yield decoder.decode(content)

    async def end(self, code: int) -> None:
        """Tell how the command ended, and close."""
        await self._socket.send_bytes(bytes([_ERROR]) + encode_json(exit_status(code)))
        await self._socket.close()


async def _shell(channels: _Channels, around: Surroundings) -> int:
    """Answer line by line until `exit` or the end of the input; return the exit code of the last command."""
    reader = LineReader(echo=channels.tty)
    code = 0
    if channels.tty:
        await channels.write(f"This shell is simulated: nothing is run.\r\n{_PROMPT}")
    async for text in channels.input():
        shown, lines = reader.feed(text)
        await channels.write(shown)
        for line in lines:
            output = run_line(line, around)
            code = await channels.show(output)
            if output.ends:
                return code
            if channels.tty:
                await channels.write(_PROMPT)
        if reader.ended:
            return code
    return await channels.show(run_line(rest, around)) if (rest := reader.rest()) else code


def exit_status(code: int) -> JsonObject:
    """Return the Status that ends an exec."""
    if not code:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
