"""A complete answer, sent with as little ado as it allows: how aiohttp finds out how to send one is a tenth of a GET.

What is sent is the same; tests/gateway/handlers/test_whole_answer.py holds both against each other.
"""

from __future__ import annotations

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import must_be_empty_body, rfc822_formatted_time


class WholeAnswer(web.Response):
    """A body in one piece, with headers that have Content-Type and Server."""

    _whole: bytes | None = None
    """The body, once its head was made here and not by aiohttp."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Make the head. Clients of HTTP/1.0, and answers that have no body whatever it is, are left to aiohttp."""
        body = self.body
        if not isinstance(body, bytes) or must_be_empty_body(request.method, self.status):
            return await super().prepare(request)
        if request.version != HttpVersion11 or self.prepared:
            return await super().prepare(request)
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        self._whole, headers = body, self.headers
        headers[hdrs.CONTENT_LENGTH] = str(len(body))
        headers.setdefault(hdrs.DATE, rfc822_formatted_time())
        if not self._keep_alive:
            headers.setdefault(hdrs.CONNECTION, "close")
        writer = self._payload_writer = request.writer
        await writer.write_headers(f"HTTP/1.1 {self.status} {self.reason}", headers)
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send head and body, once."""
        if self._whole is None:
            await super().write_eof(data)
        elif self._payload_writer is not None:
            writer, self._payload_writer = self._payload_writer, None
            self._eof_sent = True
            await writer.write_eof(self._whole)
