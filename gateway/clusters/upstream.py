"""How one API server is reached: the remote federation store or a member, as the gateway itself or as a caller.

Everything the gateway sends to another API server leaves through here, so the rules no proxy may break are kept here:
inbound identity is stripped, the caller is impersonated, redirects are refused, and a failure to reach the server is
told apart from the server's own refusal. It decides nothing about what is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from cache.encoded_object import DECODE_ERRORS
from cache.turns import Turns
from gateway.apimachinery.errors import ApiError, PathNotFound, internal_error
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.answer import Answer, beginning
from gateway.clusters.connections import CONNECT_TIMEOUT, Connection, Connections
from gateway.clusters.credentials import CredentialError, CredentialSource
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.sent_request import SentRequest
from gateway.clusters.upstream_error import (
    AnswerTooLarge,
    UpstreamError,
    failed,
    redirected,
    refused_credentials,
    without_credentials,
)
from gateway.request import UserInfo

ANSWER_TIMEOUT = 30.0
"""Seconds for a complete answer of a request that is not streamed, unless the caller says otherwise."""

HEADERS_TIMEOUT = 35.0
"""Seconds until a stream starts; an API server itself waits up to 30 s for a kubelet before it answers an exec."""

ANSWER_LIMIT = 256 * 1024 * 1024
"""Bytes of an answer that is read as a whole, unless the caller says otherwise: more would fill our memory."""

_UNAUTHORIZED = 401
_NOT_MODIFIED = 304
_log = logging.getLogger(__name__)


class _Call(msgspec.Struct, frozen=True):
    method: str
    target: str
    headers: CIMultiDict[str]
    body: bytes | None
    timeout: float | None
    upgrade: bool = False


class Upstream:
    """One API server. Safe to share; `close` ends its connections.

    Args:
        name: the member's name, or a word for the federation store; names metrics and logs.
        endpoint: where it is.
        credentials: the gateway's own identity there.
        impersonator: the identity callers are impersonated with, None for the own one.
        full_impersonation: whether uid and extra are impersonated beside user and groups.
        title: how messages call it, for example `member cluster "m1"`.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        credentials: CredentialSource,
        *,
        now: Callable[[], float],
        impersonator: CredentialSource | None = None,
        full_impersonation: bool = True,
        title: str = "",
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.title = title or f'member cluster "{name}"'
        self._own = Connections(endpoint, credentials, now=now)
        self._impersonator = Connections(endpoint, impersonator, now=now) if impersonator else self._own
        self._full_impersonation = full_impersonation
        if endpoint.insecure_skip_tls_verify:
            _log.warning("%s: its TLS certificate is not verified (insecureSkipTLSVerification)", self.title)

    def __repr__(self) -> str:
        """Name the server, never its credentials."""
        return f"<Upstream {self.name} {self.endpoint.url}>"

    async def send(self, request: SentRequest, *, timeout: float | None = ANSWER_TIMEOUT) -> Answer:
        """Send a request and return the answer with its body unread and still compressed; the caller releases it.

        `timeout` is in seconds for the whole answer; None for a stream, which must only start within HEADERS_TIMEOUT.

        Raises UpstreamError: it cannot be reached, is silent, refuses the gateway's own credentials, or redirects.
        """
        return await self._send(self._call(request, timeout), self._own if request.user is None else self._impersonator)

    async def get(
        self,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        timeout: float | None = ANSWER_TIMEOUT,
    ) -> Answer:
        """GET with the gateway's own identity; as `send`."""
        return await self.send(SentRequest("GET", path, query, headers or {}), timeout=timeout)

    async def open_tunnel(self, request: SentRequest) -> aiohttp.ClientResponse:
        """Ask for an upgrade, with Upgrade and Connection among the headers, on a new connection. Raises UpstreamError.

        The answer may be anything: the caller checks for 101 and the right protocol before it relays a byte.
        """
        answer = await self._send(self._call(request, None, upgrade=True), self._impersonator)
        if not isinstance(answer, aiohttp.ClientResponse):
            raise internal_error("a tunnel was asked for on a connection that is shared")
        return answer

    async def get_json(self, path: str, *, query: str = "", timeout: float = ANSWER_TIMEOUT) -> JsonObject:
        """GET a JSON document with the gateway's own identity.

        Raises the server's own ApiError, PathNotFound where nothing is served, or UpstreamError.
        """
        return await self.send_json("GET", path, None, query=query, timeout=timeout)

    async def find_json(self, path: str, *, timeout: float = ANSWER_TIMEOUT) -> JsonObject | None:
        """GET a JSON document as `get_json` does, None where the server has no such object."""
        try:
            return await self.get_json(path, timeout=timeout)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def send_json(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        user: UserInfo | None = None,
        timeout: float = ANSWER_TIMEOUT,
    ) -> JsonObject:
        """Send JSON and return the JSON answer; raises as `get_json` does. Without `user` the gateway itself asks."""
        sent: CIMultiDict[str] = CIMultiDict({"Accept": "application/json"})
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        encoded = None if body is None else msgspec.json.encode(body)
        response = await self.send(SentRequest(method, path, query, sent, encoded, user), timeout=timeout)
        async with response:
            answer = await self.read_body(response)
        return self.json_answer(response.status, response.content_type, answer)

    async def read_body(self, response: Answer, *, at_most: int = ANSWER_LIMIT, turns: Turns | None = None) -> bytes:
        """Read the rest of an answer, piece by piece in `turns` where there are any; see `beginning`.

        Raises UpstreamError when it breaks off, AnswerTooLarge when it is longer than `at_most` bytes.
        """
        if (response.content_length or 0) <= at_most:
            try:
                body, whole = await beginning(response, at_most, turns)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise self.failure(error, unanswered=True) from error
            if whole:
                return body
        response.close()
        raise AnswerTooLarge(f"{self.title} answered with more than {at_most >> 20} MiB")

    def json_answer(self, code: int, content_type: str, body: bytes) -> JsonObject:
        """Return the object of a complete answer, or raise the ApiError or PathNotFound that it is."""
        try:
            document = msgspec.json.decode(body)
        except DECODE_ERRORS:
            document = None
        if code < 400 and isinstance(document, dict):
            return document
        if code < 400:
            raise UpstreamError(502, "BadGateway", f"{self.title} answered with what is no object", unanswered=False)
        if isinstance(document, dict) and document.get("kind") == "Status":
            raise ApiError.from_status({"code": code, **document})
        if code == 404:
            raise PathNotFound
        text = body[:256].decode("utf-8", "replace").strip()
        raise ApiError(code, "", f"{self.title} answered {code} ({content_type}): {text}")

    async def refresh_credentials(self) -> None:
        """Read the credentials again; a failure keeps the ones in use."""
        for connections in {self._own, self._impersonator}:
            try:
                await connections.reload()
            except CredentialError as error:
                _log.warning("%s: keeping the credentials in use: %s", self.title, error)

    async def close(self) -> None:
        """Close all connections, those in use too."""
        for connections in {self._own, self._impersonator}:
            await connections.close()

    def failure(self, error: BaseException, *, unanswered: bool) -> UpstreamError:
        """Turn a failure of the connection into the ApiError a client sees."""
        return failed(self.title, error, unanswered=unanswered)

    def _call(self, request: SentRequest, timeout: float | None, *, upgrade: bool = False) -> _Call:
        headers = request.headers_to_send(users_and_groups_only=not self._full_impersonation)
        return _Call(request.method, request.target, headers, request.body, timeout, upgrade)

    async def _send(self, call: _Call, connections: Connections) -> Answer:
        try:
            response = await self._send_with_fresh_credentials(call, connections)
        except CredentialError as error:
            raise without_credentials(self.title, error) from None
        if 300 <= response.status < 400 and response.status != _NOT_MODIFIED:
            response.close()
            raise redirected(self.title, response.status)
        return response

    async def _send_with_fresh_credentials(self, call: _Call, connections: Connections) -> Answer:
        """Send; where the server refuses us or is not trusted, read the credentials again and try once more."""
        for second in (False, True):
            connection = await connections.current()
            try:
                response = await self._attempt(call, connection)
            except aiohttp.ClientSSLError as error:
                if second or not await connections.reload_refused():
                    raise self.failure(error, unanswered=False) from error
                continue
            if response.status != _UNAUTHORIZED:
                return response
            response.close()
            if second or not await connections.reload_refused():
                break
        raise refused_credentials(self.title)

    async def _attempt(self, call: _Call, connection: Connection) -> Answer:
        headers = call.headers.copy()  # another attempt may have another token
        if connection.token:
            headers["Authorization"] = f"Bearer {connection.token}"
        try:
            if call.upgrade or connection.plain is None:
                return await self._attempt_in_session(call, connection, headers)
            timeout = HEADERS_TIMEOUT if call.timeout is None else call.timeout
            deadline = asyncio.get_running_loop().time() + timeout
            answer = await connection.plain.send(
                call.method, call.target, headers, call.body, timeout=timeout, lasting=call.timeout is None
            )
            if call.timeout is not None:
                answer.end_at(deadline)  # the time for the whole answer goes on while its body is read
            return answer
        except aiohttp.ClientSSLError:
            raise
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise self.failure(error, unanswered=False) from error
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # ValueError: a header or URL that is never sent; nothing of a client's may take us down.
            raise self.failure(error, unanswered=not isinstance(error, ValueError)) from error

    async def _attempt_in_session(
        self, call: _Call, connection: Connection, headers: CIMultiDict[str]
    ) -> aiohttp.ClientResponse:
        """Send through a proxy, or what becomes a tunnel."""
        session = connection.upgrades if call.upgrade else connection.requests
        timeout = aiohttp.ClientTimeout(total=call.timeout, sock_connect=CONNECT_TIMEOUT)
        options: dict[str, Any] = self._proxy_options()
        if self.endpoint.tls_server_name:
            options["server_hostname"] = self.endpoint.tls_server_name
        url = URL(self.endpoint.url + call.target, encoded=True)
        answer = session.request(
            call.method, url, headers=headers, data=call.body, timeout=timeout, allow_redirects=False, **options
        )
        if call.timeout is not None:
            return await answer
        async with asyncio.timeout(HEADERS_TIMEOUT):
            return await answer

    def _proxy_options(self) -> dict[str, Any]:
        if not self.endpoint.proxy_url:
            return {}
        headers = [(name, value) for name, values in self.endpoint.proxy_headers.items() for value in values]
        return {"proxy": self.endpoint.proxy_url, "proxy_headers": CIMultiDict(headers)}
