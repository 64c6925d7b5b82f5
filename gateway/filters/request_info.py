"""Parses the request line once; from here on nobody looks at the raw path.

What is refused here is what intermediaries disagree about: absolute-form targets, dot segments, encoded slashes,
undecodable queries.
"""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.apimachinery.errors import bad_request
from gateway.request import parse_request_info
from gateway.request_keys import QUERY, REQUEST_INFO, Filter, Handler

MAX_QUERY_FIELDS = 1000


def parse_query(raw_query: str) -> dict[str, str]:
    """Decode a query string; the first value of a name wins. Raises ApiError 400 when it cannot be decoded."""
    query: dict[str, str] = {}
    if not raw_query:
        return query
    try:
        pairs = parse_qsl(raw_query, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:
        raise bad_request(f"the query of the request URL could not be decoded: {error}") from None
    for name, value in pairs:
        query.setdefault(name, value)
    return query


def with_request_info() -> Filter:
    """Leave RequestInfo and the query on the request."""

    def wrap(handler: Handler) -> Handler:
        def serve(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
            raw_path, _, raw_query = request.raw_path.partition("?")
            if not raw_path.startswith("/"):
                raise bad_request("the request target must be an absolute path")
            query = parse_query(raw_query)
            request[QUERY] = query
            request[REQUEST_INFO] = parse_request_info(request.method, raw_path, query)
            return handler(request)

        return serve

    return wrap
