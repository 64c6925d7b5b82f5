"""Where a request goes: the one place that knows the three kinds of data (README). Pure.

Asked after authorization, with what is served (the API surface) at hand. It decides by resource, never by path text.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from gateway.apimachinery.errors import ApiError
from gateway.request import CONNECT_SUBRESOURCES, RequestInfo

CLUSTER_GROUP = "cluster.karmada.io"
REVIEW_GROUPS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


_WORKLOAD_PROXIES = frozenset({"pods", "services", "nodes"})
"""Core resources whose `proxy` leads to what runs there; that of any other resource leads to an API server."""


class Destination(Enum):
    """What answers a request."""

    NOT_SERVED = auto()
    """Nothing is served there: the router's 404."""
    REVIEW = auto()
    """A question about the caller: reviews of authentication.k8s.io and authorization.k8s.io."""
    STORE_READ = auto()
    STORE_WRITE = auto()
    STORE_CONNECT = auto()
    """A streaming subresource of a federated object, for example services/proxy."""
    MERGED_READ = auto()
    """get, list and watch of a member resource, answered from the cross-cluster cache."""
    MEMBER_READ = auto()
    """A subresource of a merged object that the cache does not hold, read from the owning member."""
    MEMBER_WRITE = auto()
    MEMBER_CONNECT = auto()
    """logs, exec, attach, port-forward, proxy of a merged Pod."""
    EXPLICIT_CLUSTER = auto()
    """One member named in the path."""


class Surface(Protocol):
    """What is served, as dispatch needs to know it (gateway/discovery/surface.py implements it)."""

    def serves(self, info: RequestInfo) -> bool:
        """Whether the resource, subresource included, exists and is allowed."""
        ...

    def has_routes(self, group: str) -> bool:
        """Whether the group is one of Kubernetes' own."""
        ...

    def wrong_verb(self, info: RequestInfo) -> ApiError | None:
        """Return the 405 when the resource or subresource, which is served, cannot be asked so."""
        ...

    def kind_of(self, info: RequestInfo) -> str:
        """The kind of the bodies of the resource or subresource, which is served."""
        ...

    def is_merged(self, info: RequestInfo) -> bool:
        """Whether the resource lives in the members and is read from the cross-cluster cache."""
        ...


def names_cluster(info: RequestInfo) -> bool:
    """Whether one member is addressed: `/clusters/{name}/…` or Karmada's `clusters/{name}/proxy`."""
    if info.cluster:
        return True
    return info.api_group == CLUSTER_GROUP and info.resource == "clusters" and info.subresource == "proxy"


def tunnels_api(info: RequestInfo) -> bool:
    """Whether a request goes through a `proxy` behind which objects are, such as karmada-search's `proxying`."""
    return info.subresource == "proxy" and (bool(info.api_group) or info.resource not in _WORKLOAD_PROXIES)


def tunneled_write(info: RequestInfo) -> ApiError:
    """Return the refusal of a write through such a proxy: no rule would see it."""
    problem = (
        f"only reads are forwarded through {info.resource}/{info.subresource}, admission would not see a write there; "
        f"write to the object itself, or to one member through /clusters/NAME"
    )
    details = {"group": info.api_group, "kind": info.resource}
    return ApiError(405, "MethodNotAllowed", problem, details={key: text for key, text in details.items() if text})


def dispatch(info: RequestInfo, surface: Surface) -> Destination:
    """Return the destination of a resource request."""
    if names_cluster(info):
        return Destination.EXPLICIT_CLUSTER
    if not surface.serves(info):
        return Destination.NOT_SERVED
    if info.api_group in REVIEW_GROUPS:
        return Destination.REVIEW
    if surface.is_merged(info):
        return _merged(info)
    if info.subresource in CONNECT_SUBRESOURCES:
        return Destination.STORE_CONNECT
    return Destination.STORE_WRITE if info.is_write else Destination.STORE_READ


def _merged(info: RequestInfo) -> Destination:
    if info.subresource in CONNECT_SUBRESOURCES or info.subresource == "log":
        return Destination.MEMBER_CONNECT
    if info.is_write:
        return Destination.MEMBER_WRITE
    return Destination.MEMBER_READ if info.subresource else Destination.MERGED_READ
