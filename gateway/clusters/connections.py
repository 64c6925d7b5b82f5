"""Pooled HTTP/1.1 connections to one API server under one identity, and the rotation of that identity.

A new token is used from the next request on; new certificates need new connections, and the old ones live on for the
watches that were opened with them. Upstream decides what is sent; here is only how it gets there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp
from aiohttp.client_proto import ResponseHandler

from gateway.clusters.credentials import Credentials, CredentialSource, client_context
from gateway.clusters.endpoint import Endpoint, is_link_local
from gateway.clusters.exchange import HEADER_LIMIT, HEADERS_LIMIT, KEEPALIVE, READ_BUFFER, Exchange
from gateway.clusters.handshakes import handshakes
from gateway.freed_memory import give_back_read_buffer

CONNECT_TIMEOUT = 5.0
"""Seconds for TCP and TLS together: a frozen API server accepts the one and never finishes the other."""

_REFRESH_INTERVAL = 10.0  # least seconds between two reads of credentials that were refused
_EXPIRY_MARGIN = 30.0  # seconds before their expiry at which credentials are replaced
_RETIRED_SESSIONS = 2  # older ones were made with credentials that two rotations have replaced
_CLOSE_TIMEOUT = 1.0
_DEAD_PEER_MILLISECONDS = 45_000


class AddressRefused(OSError):
    """An address that is not dialled, whatever name led to it."""


def _upstream_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket for one resolved address, so that a changing DNS answer is judged when it is dialled.

    The proxy on the way is dialled through it as well. Raises AddressRefused for link-local addresses.
    """
    family, kind, protocol, _, target = address
    if is_link_local(str(target[0])):
        raise AddressRefused("its address is link-local, which is never dialled")
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MILLISECONDS)
    return made


class _Connector(aiohttp.TCPConnector):
    """A pool that makes few connections at a time, however many members are connected to at once, and small ones."""

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        async with handshakes().place():
            made = await super()._create_connection(req, traces, timeout)
        give_back_read_buffer(made.transport)
        return made


@dataclass(frozen=True, slots=True)
class Connection:
    """The current connections and the token to send on them. `upgrades` never reuses a connection.

    `plain` sends on the connections of `requests`; None where a proxy is on the way.
    """

    requests: aiohttp.ClientSession
    upgrades: aiohttp.ClientSession
    plain: Exchange | None
    token: str


class Connections:
    """Connections of one identity to one API server.

    Mutable state: the credentials in use, the sessions made with them, and the retired ones. Only `_adopt` changes it.
    """

    def __init__(self, endpoint: Endpoint, source: CredentialSource, *, now: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._source = source
        self._now = now
        self._lock = asyncio.Lock()
        self._credentials: Credentials | None = None
        self._refused_at = float("-inf")
        self._connection: Connection | None = None
        self._retired: list[Connection] = []

    async def current(self) -> Connection:
        """Return the connections to use now. Raises CredentialError when there are no usable credentials."""
        if self._connection is not None and not self._expiring():
            return self._connection
        async with self._lock:
            if self._connection is not None and not self._expiring():
                return self._connection
            return await self._adopt(await self._source.load())

    async def reload(self) -> bool:
        """Read the credentials again; False when they are the same. Raises CredentialError and keeps those in use."""
        async with self._lock:
            before = self._credentials
            await self._adopt(await self._source.load())
            return self._credentials != before

    async def reload_refused(self) -> bool:
        """Read the credentials again because the server refused them, but not for every request of a storm of them."""
        if self._now() - self._refused_at < _REFRESH_INTERVAL:
            return False
        self._refused_at = self._now()
        return await self.reload()

    async def close(self) -> None:
        """Close all connections, those in use too."""
        connections = [*self._retired, *([self._connection] if self._connection else [])]
        self._retired, self._connection, self._credentials = [], None, None
        for connection in connections:
            await _close(connection)

    def _expiring(self) -> bool:
        expires = self._credentials.expires if self._credentials else None
        return expires is not None and self._now() > expires - _EXPIRY_MARGIN

    async def _adopt(self, credentials: Credentials) -> Connection:
        """Use these credentials from now on: the one place that changes the state."""
        if self._credentials is None or not credentials.same_connection(self._credentials):
            await handshakes().turn()
        old, previous = self._connection, self._credentials
        if old is not None and previous is not None and credentials.same_connection(previous):
            self._connection = replace(old, token=credentials.token)
        else:
            self._connection = self._connect(credentials)
            if old is not None:
                self._retired.append(old)
        self._credentials = credentials
        adopted = self._connection
        while len(self._retired) > _RETIRED_SESSIONS:
            await _close(self._retired.pop(0))
        return adopted

    def _connect(self, credentials: Credentials) -> Connection:
        context = client_context(self._endpoint, credentials) if self._endpoint.secure else True
        pool = _Connector(ssl=context, limit=0, keepalive_timeout=KEEPALIVE, socket_factory=_upstream_socket)
        direct = not self._endpoint.proxy_url
        return Connection(
            requests=self._session(pool),
            upgrades=self._session(_Connector(
                ssl=context, limit=0, force_close=True, socket_factory=_upstream_socket
            )),
            plain=Exchange(self._endpoint, pool, connect_timeout=CONNECT_TIMEOUT) if direct else None,
            token=credentials.token,
        )  # fmt: skip

    @staticmethod
    def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            read_bufsize=READ_BUFFER,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=HEADERS_LIMIT,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )


async def _close(connection: Connection) -> None:
    if connection.plain is not None:
        connection.plain.close()
    for session in (connection.requests, connection.upgrades):
        # A peer that takes no bytes any more must not hold up whoever closes; its sockets end by themselves.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await session.close()
