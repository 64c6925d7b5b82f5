"""The last gate before a handler: may the effective user do this? Leaves the RequestScope for the handlers.

Nothing that reads or writes objects stands in front of it. Health is open without being asked for, as in
every delegating API server: whether the gateway lives does not depend on a store that answers.
"""

from __future__ import annotations

from aiohttp import hdrs, web
from msgspec.structs import replace

from gateway.audit.record import DECISION, REASON
from gateway.authentication.authenticator import is_open
from gateway.authorization.authorizer import Attributes, Authorizer, Decision, Outcome, denial, request_attributes
from gateway.dispatch import names_cluster
from gateway.request import CONNECT_SUBRESOURCES, RequestInfo, UserInfo
from gateway.request_keys import (
    AUDIT,
    AUDIT_ID,
    DEADLINE,
    QUERY,
    REQUEST_INFO,
    REQUESTOR,
    SCOPE,
    USER,
    WARNINGS,
    Filter,
    Handler,
)
from gateway.request_scope import RequestScope

CLUSTER_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

_OPEN = Decision(Outcome.ALLOW)


def required_attributes(user: UserInfo, info: RequestInfo, method: str) -> Attributes:
    """Return the right a request needs.

    exec, attach, port-forward and proxy need `create` by GET (WebSocket) as by POST (SPDY), as kube-apiserver demands
    since 1.35. A request that names one member needs `clusters/proxy` on that member; the member then authorises the
    caller itself.
    """
    attributes = request_attributes(user, info)
    if names_cluster(info):
        return replace(
            attributes,
            verb=CLUSTER_VERBS.get(method, method.lower()),
            is_resource_request=True,
            api_group="cluster.karmada.io",
            api_version="v1alpha1",
            namespace="",
            resource="clusters",
            subresource="proxy",
            name=info.cluster or info.name,
            field_selector="",
            label_selector="",
        )
    if info.is_resource_request and info.subresource in CONNECT_SUBRESOURCES:
        return replace(attributes, verb="create")
    return attributes


def request_scope(request: web.BaseRequest) -> RequestScope:
    """Return the request as the lower halves of the handlers see it."""
    headers = request.headers
    return RequestScope(
        info=request[REQUEST_INFO],
        user=request[USER],
        requestor=request[REQUESTOR],
        audit_id=request[AUDIT_ID],
        query=request[QUERY],
        content_type=headers.get(hdrs.CONTENT_TYPE, ""),
        accept=headers.get(hdrs.ACCEPT, ""),
        user_agent=headers.get(hdrs.USER_AGENT, ""),
        deadline=request.get(DEADLINE),
        warnings=request[WARNINGS],
    )


def with_authorization(authorizer: Authorizer) -> Filter:
    """Refuse with 403 what the authorizer does not allow."""

    def wrap(handler: Handler) -> Handler:
        async def serve(request: web.BaseRequest) -> web.StreamResponse:
            info = request[REQUEST_INFO]
            attributes = required_attributes(request[USER], info, request.method)
            decision = _OPEN if is_open(info) else await authorizer.authorize(attributes)
            record, allowed = request[AUDIT], decision.allowed
            record.annotate(DECISION, "allow" if allowed else "forbid")
            record.annotate(REASON, decision.reason)
            if not allowed:
                raise denial(attributes, decision.reason)
            request[SCOPE] = request_scope(request)
            return await handler(request)

        return serve

    return wrap
