"""Ends of the chain for tests of its steps."""

import json

from aiohttp import web

from gateway.handlers.response import body_response
from gateway.request_keys import AUDIT_ID, SCOPE


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """Say what came through the chain."""
    scope = request[SCOPE]
    said = {
        "user": scope.user.name,
        "uid": scope.user.uid,
        "groups": list(scope.user.groups),
        "extra": {key: list(values) for key, values in scope.user.extra.items()},
        "requestor": scope.requestor.name,
        "verb": scope.info.verb,
        "path": scope.info.path,
        "query": dict(scope.query),
        "audit_id": request[AUDIT_ID],
    }
    return body_response(request, json.dumps(said).encode())
