"""Reading a subresource of a merged object, which the cache does not hold: its Scale, its status.

Asked of the owning member as the caller. The answer speaks of the object as the merged view does, by the name and the
resourceVersion that a write may be based on.
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from cache.cached_object import CachedObject
from cache.merged_resource import MergedResource
from gateway.apimachinery.codec import encode_json
from gateway.clusters.upstream import Upstream
from gateway.handlers.negotiation import Shape
from gateway.handlers.read import Negotiated, read_representation
from gateway.handlers.response import answer_headers, body_response, encode_object
from gateway.proxy.forward import forward
from gateway.proxy.rewrite import rename
from gateway.request import upstream_path
from gateway.request_scope import RequestScope


async def read_subresource(
    request: web.BaseRequest,
    scope: RequestScope,
    upstream: Upstream,
    resource: MergedResource,
    owner: CachedObject,
    form: Negotiated,
) -> web.StreamResponse:
    """Answer with a subresource of the object of which `upstream` is the member. Raises ApiError, the member's too."""
    info = rename(scope.info, owner.original_name)
    representation = read_representation(request, form, collection=False)
    if representation.shape is not Shape.OBJECT:  # a Table or metadata are the member's to make, and no base of a write
        return await forward(request, scope, upstream, info=info, headers=answer_headers(request))
    # A resourceVersion in the query would be ours: reading live is newer than any.
    answer = await upstream.send_json("GET", upstream_path(info), None, user=scope.user)
    body = await resource.writes.decorate_part(owner.cluster, encode_json(answer), scope.info.name)
    return body_response(request, encode_object(msgspec.json.decode(body), representation), representation.content_type)
