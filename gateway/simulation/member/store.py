"""The API of a simulated member where it differs from the embedded store: the streaming subresources of its Pods."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.federation import EmbeddedStore
from gateway.printers.printer import stored_printer
from gateway.request_scope import RequestScope
from gateway.simulation.member.exec_handler import ExecHandler
from gateway.simulation.member.log_handler import LogHandler
from gateway.storage.registry import Registry

_REFUSALS = {
    "attach": "attach is not simulated: no container runs; see its log with kubectl logs -f",
    "portforward": "port-forward is not simulated: no container runs, so nothing listens in this Pod",
}


class MemberStore(EmbeddedStore):
    """The embedded store of a member, whose Pods have logs and answer to exec."""

    def __init__(self, registry: Registry, cluster: str, now: Callable[[], float]) -> None:
        """`cluster` is the member's name."""
        super().__init__(registry, stored_printer, now)
        self._logs = LogHandler(registry, cluster, now)
        self._exec = ExecHandler(registry, cluster, now)

    async def read(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer from the store, and logs from the simulation."""
        if scope.info.resource == "pods" and scope.info.subresource == "log":
            return await self._logs.respond(request, scope)
        return await super().read(request, scope)

    async def connect(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer exec; refuse what would need a container that runs. Raises ApiError."""
        subresource = scope.info.subresource
        if scope.info.resource == "pods" and subresource == "exec":
            return await self._exec.respond(request, scope)
        if scope.info.resource == "pods" and subresource in _REFUSALS:
            raise ApiError(501, "NotImplemented", _REFUSALS[subresource])
        return await super().connect(request, scope)
