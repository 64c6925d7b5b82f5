"""Rules for Ingresses and network policies.

After Kubernetes `pkg/apis/networking/validation`. Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import Causes, invalid_value, invalid_values, required, unsupported
from gateway.storage.validation.containers import port_number, port_reference
from gateway.storage.validation.label_selectors import validate_label_selector
from gateway.storage.validation.names import dns_label, dns_subdomain, is_cidr, is_ip, port_name, wildcard_subdomain

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_FORBIDDEN_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
_FORBIDDEN_SUFFIXES = ("/..", "/.")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_POLICY_TYPES = ("Ingress", "Egress")


def validate_ingress(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge an Ingress."""
    spec = new["spec"]
    backend = spec.get("defaultBackend")
    if not objects(spec, "rules") and not isinstance(backend, dict):
        yield invalid_value("spec", None, "either `defaultBackend` or `rules` must be specified")
    if isinstance(backend, dict):
        yield from _validate_backend("spec.defaultBackend", backend)
    for index, rule in enumerate(objects(spec, "rules")):
        yield from _validate_rule(f"spec.rules[{index}]", rule)
    for index, tls in enumerate(objects(spec, "tls")):
        for number, host in enumerate(tls.get("hosts") or ()):
            yield from _validate_host(f"spec.tls[{index}].hosts[{number}]", str(host))
        if tls.get("secretName"):
            complaints = dns_subdomain(tls["secretName"])
            yield from invalid_values(f"spec.tls[{index}].secretName", tls["secretName"], complaints)
    if spec.get("ingressClassName") is not None:
        class_name = str(spec["ingressClassName"])
        yield from invalid_values("spec.ingressClassName", class_name, dns_subdomain(class_name))


def _validate_host(path: str, host: str) -> Causes:
    yield from invalid_values(path, host, wildcard_subdomain(host) if "*" in host else dns_subdomain(host))


def _validate_rule(path: str, rule: JsonObject) -> Causes:
    host = str(rule.get("host") or "")
    if host:
        if is_ip(host):
            yield invalid_value(f"{path}.host", host, "must be a DNS name, not an IP address")
        yield from _validate_host(f"{path}.host", host)
    if isinstance(rule.get("http"), dict):
        paths = objects(rule["http"], "paths")
        if not paths:
            yield required(f"{path}.http.paths")
        for index, entry in enumerate(paths):
            yield from _validate_path(f"{path}.http.paths[{index}]", entry)


def _validate_path(path: str, entry: JsonObject) -> Causes:
    path_type, value = entry.get("pathType"), str(entry.get("path") or "")
    if path_type is None:
        yield required(f"{path}.pathType", "pathType must be specified")
        return
    if path_type not in _PATH_TYPES:
        yield unsupported(f"{path}.pathType", path_type, _PATH_TYPES)
    else:
        specific = path_type == "ImplementationSpecific"
        if not value.startswith("/") and (value or not specific):
            yield invalid_value(f"{path}.path", value, "must be an absolute path")
        if not specific:
            for sequence in _FORBIDDEN_SEQUENCES:
                if sequence in value:
                    yield invalid_value(f"{path}.path", value, f"must not contain '{sequence}'")
            for suffix in _FORBIDDEN_SUFFIXES:
                if value.endswith(suffix):
                    yield invalid_value(f"{path}.path", value, f"cannot end with '{suffix}'")
    backend = entry.get("backend")
    yield from _validate_backend(f"{path}.backend", backend if isinstance(backend, dict) else {})


def _validate_backend(path: str, backend: JsonObject) -> Causes:
    service, resource = backend.get("service"), backend.get("resource")
    if isinstance(service, dict) and isinstance(resource, dict):
        yield invalid_value(path, "", "cannot set both resource and service backends")
    elif isinstance(service, dict):
        yield from _validate_service_backend(path, service)
    elif not isinstance(resource, dict):
        yield invalid_value(path, "", "resource or service backend is required")


def _validate_service_backend(path: str, service: JsonObject) -> Causes:
    name = str(service.get("name") or "")
    if name:
        yield from invalid_values(f"{path}.service.name", name, dns_label(name))
    else:
        yield required(f"{path}.service.name")
    number, by_name = field(service, "port", "number"), field(service, "port", "name")
    if number and by_name:
        yield invalid_value(path, "", "cannot set both port name & port number")
    elif by_name:
        yield from invalid_values(f"{path}.service.port.name", by_name, port_name(str(by_name)))
    elif number:
        yield from port_number(f"{path}.service.port.number", number)
    else:
        yield required(path, "port name or number is required")


def validate_network_policy(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a NetworkPolicy."""
    spec = new["spec"]
    yield from validate_label_selector("spec.podSelector", spec.get("podSelector"))
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(objects(spec, direction)):
            at = f"spec.{direction}[{index}]"
            for number, port in enumerate(objects(rule, "ports")):
                yield from _validate_port(f"{at}.ports[{number}]", port)
            for number, peer in enumerate(objects(rule, peers)):
                yield from _validate_peer(f"{at}.{peers}[{number}]", peer)
    for index, policy_type in enumerate(spec.get("policyTypes") or ()):
        if policy_type not in _POLICY_TYPES:
            yield unsupported(f"spec.policyTypes[{index}]", policy_type, _POLICY_TYPES)


def _validate_port(path: str, port: JsonObject) -> Causes:
    if port.get("protocol") not in {None, *_PROTOCOLS}:
        yield unsupported(f"{path}.protocol", port["protocol"], _PROTOCOLS)
    if port.get("port") is not None:
        yield from port_reference(f"{path}.port", port["port"])


def _validate_peer(path: str, peer: JsonObject) -> Causes:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if isinstance(peer.get(name), dict)]
    for selector in ("podSelector", "namespaceSelector"):
        yield from validate_label_selector(f"{path}.{selector}", peer.get(selector))
    if "ipBlock" in given:
        cidr: Any = peer["ipBlock"].get("cidr") or ""
        if not cidr:
            yield required(f"{path}.ipBlock.cidr")
        elif not is_cidr(str(cidr)):
            detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            yield invalid_value(f"{path}.ipBlock.cidr", cidr, detail)
    if not given:
        yield required(path, "must specify a peer")
