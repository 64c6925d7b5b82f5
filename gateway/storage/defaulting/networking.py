"""Defaults of Services and their endpoints, and of network policies. Pure; addresses are allocated in cluster_ip.py."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import default, objects, part

_AFFINITY_SECONDS = 3 * 60 * 60
_EXTERNAL = frozenset({"NodePort", "LoadBalancer"})
_INTERNAL = _EXTERNAL | {"ClusterIP"}
_UNSET_PORTS: tuple[Any, ...] = (None, 0, "")


def default_service(service: JsonObject) -> None:
    """Fill in a Service, except what the registry allocates."""
    spec = service["spec"]
    default(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        default(part(part(spec, "sessionAffinityConfig"), "clientIP"), timeoutSeconds=_AFFINITY_SECONDS)
    for port in objects(spec, "ports"):
        default(port, protocol="TCP")
        if port.get("targetPort") in _UNSET_PORTS:
            port["targetPort"] = port.get("port")
    if spec["type"] in _EXTERNAL or (spec["type"] == "ClusterIP" and spec.get("externalIPs")):
        default(spec, externalTrafficPolicy="Cluster")
    if spec["type"] in _INTERNAL:
        default(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        default(spec, allocateLoadBalancerNodePorts=True)
        for ingress in objects(part(part(service, "status"), "loadBalancer"), "ingress"):
            if ingress.get("ip"):
                default(ingress, ipMode="VIP")


def default_endpoints(endpoints: JsonObject) -> None:
    """Fill in Endpoints."""
    for subset in objects(endpoints, "subsets"):
        for port in objects(subset, "ports"):
            default(port, protocol="TCP")


def default_endpoint_slice(endpoint_slice: JsonObject) -> None:
    """Fill in an EndpointSlice."""
    for port in objects(endpoint_slice, "ports"):
        default(port, name="", protocol="TCP")


def default_network_policy(policy: JsonObject) -> None:
    """Fill in a NetworkPolicy."""
    spec = policy["spec"]
    for direction in ("ingress", "egress"):
        for rule in objects(spec, direction):
            for port in objects(rule, "ports"):
                default(port, protocol="TCP")
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def default_ingress_class(ingress_class: JsonObject) -> None:
    """Fill in an IngressClass."""
    parameters = ingress_class["spec"].get("parameters")
    if isinstance(parameters, dict):
        default(parameters, scope="Cluster")
