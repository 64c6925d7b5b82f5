"""Rules for Services.

After Kubernetes `pkg/apis/core/v1/validation`. One address a Service: dual-stack is not offered. Pure.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import (
    Causes,
    duplicate,
    forbidden,
    invalid_value,
    invalid_values,
    one_of,
    required,
    unsupported,
)
from gateway.storage.validation.containers import PROTOCOLS, port_number, port_reference
from gateway.storage.validation.names import NOT_AN_IP, dns_label, dns_subdomain, is_cidr, is_ip
from gateway.storage.validation.object_meta import validate_labels

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
_EXTERNAL_NAME = "ExternalName"
_HEADLESS = "None"
_MAX_AFFINITY_SECONDS = 86400


def validate_service(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a Service."""
    spec = new["spec"]
    service_type, cluster_ip = spec.get("type"), spec.get("clusterIP")
    headless = cluster_ip == _HEADLESS
    if not objects(spec, "ports") and not headless and service_type != _EXTERNAL_NAME:
        yield required("spec.ports")
    if service_type == _EXTERNAL_NAME:
        yield from _validate_external_name(str(spec.get("externalName") or ""))
    elif cluster_ip and not headless and not is_ip(cluster_ip):
        yield invalid_value("spec.clusterIPs[0]", cluster_ip, NOT_AN_IP)
    yield from _validate_ports(spec)
    yield from validate_labels("spec.selector", spec.get("selector"))
    yield from _validate_affinity(spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        yield from _validate_external_ip(f"spec.externalIPs[{index}]", str(address))
    if service_type not in _TYPES:
        yield unsupported("spec.type", service_type or "", _TYPES)
    if service_type == "ClusterIP":
        for index, port in enumerate(objects(spec, "ports")):
            if port.get("nodePort"):
                detail = "may not be used when `type` is 'ClusterIP'"
                yield forbidden(f"spec.ports[{index}].nodePort", detail)
    for index, source in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        if not is_cidr(str(source)):
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield invalid_value(f"spec.LoadBalancerSourceRanges[{index}]", source, detail)
    yield from _validate_traffic(spec)
    if old is not None:
        yield from _validate_same_address(spec, old["spec"])


def _validate_external_name(host: str) -> Causes:
    if host:
        yield from invalid_values("spec.externalName", host, dns_subdomain(host.removesuffix(".")))
    else:
        yield required("spec.externalName")


def _validate_ports(spec: JsonObject) -> Causes:
    ports = objects(spec, "ports")
    names: set[str] = set()
    taken: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        name, protocol, number = str(port.get("name") or ""), port.get("protocol"), port.get("port") or 0
        if name:
            yield from invalid_values(f"{at}.name", name, dns_label(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        elif len(ports) > 1:
            yield required(f"{at}.name")
        yield from port_number(f"{at}.port", number)
        if protocol not in PROTOCOLS:
            yield unsupported(f"{at}.protocol", protocol, PROTOCOLS)
        yield from port_reference(f"{at}.targetPort", port.get("targetPort"))
        if (protocol, number) in taken:
            shown = {
                "Name": "",
                "Protocol": protocol,
                "AppProtocol": None,
                "Port": number,
                "TargetPort": 0,
                "NodePort": 0,
            }
            yield duplicate(at, shown)
        taken.add((protocol, number))


def _validate_affinity(spec: JsonObject) -> Causes:
    yield from one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = field(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        if not isinstance(seconds, int) or not 0 < seconds <= _MAX_AFFINITY_SECONDS:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield invalid_value(path, seconds, f"must be greater than 0 and less than {_MAX_AFFINITY_SECONDS}")


def _validate_external_ip(path: str, text: str) -> Causes:
    if not is_ip(text):
        yield invalid_value(path, text, NOT_AN_IP)
        return
    address = ip_address(text)
    rules = (
        (address.is_unspecified, f"may not be unspecified ({text})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (address.is_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"),
    )
    for broken, detail in rules:
        if broken:
            yield invalid_value(path, text, detail)


def _validate_traffic(spec: JsonObject) -> Causes:
    external = spec.get("externalTrafficPolicy")
    if external:
        exposed = spec.get("type") in {"NodePort", "LoadBalancer"} or bool(spec.get("externalIPs"))
        if not exposed:
            detail = "may only be set for externally-accessible services"
            yield invalid_value("spec.externalTrafficPolicy", external, detail)
        else:
            yield from one_of("spec.externalTrafficPolicy", external, _POLICIES)
    if spec.get("internalTrafficPolicy") is not None:
        yield from one_of("spec.internalTrafficPolicy", spec["internalTrafficPolicy"], _POLICIES)


def _validate_same_address(spec: JsonObject, old_spec: JsonObject) -> Causes:
    if _EXTERNAL_NAME in {spec.get("type"), old_spec.get("type")}:
        return
    old, new = old_spec.get("clusterIP"), spec.get("clusterIP")
    if old and new != old:
        yield invalid_value("spec.clusterIPs[0]", [new] if new else [], "may not change once set")
