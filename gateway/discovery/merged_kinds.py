"""Pods and Events as discovery lists them: the resources that live in the members. Pure data.

Facts of kube-apiserver 1.36. They are served whether or not the federation store has these kinds itself.
"""

from __future__ import annotations

from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.surface import ApiResource, ApiSubresource

_CORE = GroupVersion("", "v1")
_EVENTS = GroupVersion("events.k8s.io", "v1")
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_READ_WRITE = ("get", "patch", "update")
_CONNECT = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")

_POD_SUBRESOURCES = (
    ApiSubresource("attach", _CORE.kind("PodAttachOptions"), _CONNECT),
    ApiSubresource("binding", _CORE.kind("Binding"), ("create",)),
    ApiSubresource("ephemeralcontainers", _CORE.kind("Pod"), _READ_WRITE),
    ApiSubresource("eviction", GroupVersionKind("policy", "v1", "Eviction"), ("create",)),
    ApiSubresource("exec", _CORE.kind("PodExecOptions"), _CONNECT),
    ApiSubresource("log", _CORE.kind("Pod"), ("get",)),
    ApiSubresource("portforward", _CORE.kind("PodPortForwardOptions"), _CONNECT),
    ApiSubresource("proxy", _CORE.kind("PodProxyOptions"), _PROXY),
    ApiSubresource("resize", _CORE.kind("Pod"), _READ_WRITE),
    ApiSubresource("status", _CORE.kind("Pod"), _READ_WRITE),
)

PODS = ApiResource(
    _CORE.resource("pods"),
    _CORE.kind("Pod"),
    namespaced=True,
    singular="pod",
    verbs=_VERBS,
    short_names=("po",),
    categories=("all",),
    subresources=_POD_SUBRESOURCES,
    merged=True,
)


def _events(group_version: GroupVersion) -> ApiResource:
    return ApiResource(
        group_version.resource("events"),
        group_version.kind("Event"),
        namespaced=True,
        singular="event",
        verbs=_VERBS,
        short_names=("ev",),
        merged=True,
    )


MERGED_RESOURCES = (PODS, _events(_CORE), _events(_EVENTS))
"""What the cross-cluster cache reads without further configuration."""
