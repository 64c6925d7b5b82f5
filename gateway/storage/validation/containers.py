"""Rules for the containers of a Pod.

After Kubernetes `pkg/apis/core/v1/validation`. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import (
    Causes,
    duplicate,
    forbidden,
    invalid_value,
    invalid_values,
    not_negative,
    one_of,
    required,
    unsupported,
)
from gateway.storage.validation.names import (
    PORT_RANGE,
    config_key,
    dns_label,
    dns_subdomain,
    environment_name,
    port_name,
)
from gateway.storage.validation.resources import validate_container_resources
from gateway.storage.validation.volumes import validate_mounts

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENVIRONMENT_FIELDS = frozenset(
    {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
     "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"}
)  # fmt: skip
_KEYED_FIELD = re.compile(r"metadata\.(labels|annotations)\['.+'\]")
_CONTAINER_RESOURCE_FIELDS = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES_FIELD = re.compile(r"(limits|requests)\.hugepages-.+")
_MAX_ID = 2**31 - 1
_SYS_ADMIN = frozenset({"CAP_SYS_ADMIN", "SYS_ADMIN"})
_EPHEMERAL_FORBIDDEN = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


def validate_containers(path: str, spec: JsonObject, volumes: set[str]) -> Causes:
    """Judge all containers of a Pod; `path` is the Pod spec's."""
    if not objects(spec, "containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    ports: set[str] = set()
    for field in ("containers", "initContainers"):
        init = field == "initContainers"
        for index, container in enumerate(objects(spec, field)):
            at = f"{path}.{field}[{index}]"
            yield from _validate_name(at, container, seen)
            yield from _validate_container(at, container, volumes)
            if init and container.get("restartPolicy") != "Always":
                yield from _validate_plain_init(at, container)
            elif not init:
                yield from _validate_host_ports(at, container, ports)


def _validate_name(path: str, container: JsonObject, seen: set[str]) -> Causes:
    name = str(container.get("name") or "")
    if not name:
        yield required(f"{path}.name")
        return
    yield from invalid_values(f"{path}.name", name, dns_label(name))
    if name in seen:
        yield duplicate(f"{path}.name", name)
    seen.add(name)


def _validate_container(path: str, container: JsonObject, volumes: set[str]) -> Causes:
    image = str(container.get("image") or "")
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield invalid_value(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(f"{path}.terminationMessagePolicy", container.get("terminationMessagePolicy"), _MESSAGE_POLICIES)
    yield from _validate_ports(path, container)
    yield from _validate_environment(path, container)
    yield from validate_mounts(path, container, volumes)
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from validate_container_resources(path, container)
    yield from _validate_security_context(f"{path}.securityContext", container.get("securityContext"))
    for probe in _PROBES:
        if isinstance(container.get(probe), dict):
            yield from _validate_probe(f"{path}.{probe}", container[probe], once=probe != "readinessProbe")
    lifecycle = container.get("lifecycle")
    for hook in ("postStart", "preStop"):
        if isinstance(lifecycle, dict) and isinstance(lifecycle.get(hook), dict):
            yield from _validate_handler(f"{path}.lifecycle.{hook}", lifecycle[hook])


def _validate_plain_init(path: str, container: JsonObject) -> Causes:
    for field in ("lifecycle", *_PROBES):
        if container.get(field):
            yield forbidden(f"{path}.{field}", "may not be set for init containers without restartPolicy=Always")


def validate_ephemeral_containers(path: str, spec: JsonObject) -> Causes:
    """Judge the ephemeral containers of a Pod that exists; they share names with all others."""
    seen = {str(entry.get("name")) for field in ("containers", "initContainers") for entry in objects(spec, field)}
    for index, container in enumerate(objects(spec, "ephemeralContainers")):
        at = f"{path}.ephemeralContainers[{index}]"
        yield from _validate_name(at, container, seen)
        if not container.get("image"):
            yield required(f"{at}.image")
        for field in _EPHEMERAL_FORBIDDEN:
            if container.get(field):
                yield forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")


def port_number(path: str, port: Any) -> Causes:
    """Refuse a number that is no port."""
    if not isinstance(port, int) or not 1 <= port <= 65535:
        yield invalid_value(path, port, PORT_RANGE)


def port_reference(path: str, port: Any) -> Causes:
    """Refuse what is neither a port number nor the name of a port."""
    if isinstance(port, str):
        yield from invalid_values(path, port, port_name(port))
    else:
        yield from port_number(path, port or 0)


def _validate_ports(path: str, container: JsonObject) -> Causes:
    names: set[str] = set()
    for index, port in enumerate(objects(container, "ports")):
        at = f"{path}.ports[{index}]"
        name = str(port.get("name") or "")
        if name:
            yield from invalid_values(f"{at}.name", name, port_name(name))
            if name in names:
                yield duplicate(f"{at}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{at}.containerPort")
        else:
            yield from port_number(f"{at}.containerPort", port["containerPort"])
        if port.get("hostPort"):
            yield from port_number(f"{at}.hostPort", port["hostPort"])
        if not port.get("protocol"):
            yield required(f"{at}.protocol")
        elif port["protocol"] not in PROTOCOLS:
            yield unsupported(f"{at}.protocol", port["protocol"], PROTOCOLS)


def _validate_host_ports(path: str, container: JsonObject, seen: set[str]) -> Causes:
    """Refuse a port of the node that two containers of a Pod want."""
    for index, port in enumerate(objects(container, "ports")):
        if not port.get("hostPort"):
            continue
        taken = f"{port.get('protocol')}/{port.get('hostIP') or ''}/{port['hostPort']}"
        if taken in seen:
            yield duplicate(f"{path}.ports[{index}].hostPort", taken)
        seen.add(taken)


def _validate_environment(path: str, container: JsonObject) -> Causes:
    for index, variable in enumerate(objects(container, "env")):
        at = f"{path}.env[{index}]"
        name = str(variable.get("name") or "")
        if name:
            yield from invalid_values(f"{at}.name", name, environment_name(name))
        else:
            yield required(f"{at}.name")
        if isinstance(variable.get("valueFrom"), dict):
            yield from _validate_source(f"{at}.valueFrom", variable["valueFrom"], has_value=bool(variable.get("value")))
    for index, source in enumerate(objects(container, "envFrom")):
        yield from _validate_env_from(f"{path}.envFrom", index, source)


def _validate_env_from(path: str, index: int, source: JsonObject) -> Causes:
    if source.get("prefix"):
        yield from invalid_values(f"{path}[{index}].prefix", source["prefix"], environment_name(source["prefix"]))
    given = [field for field in ("configMapRef", "secretRef") if isinstance(source.get(field), dict)]
    for field in given:
        name = str(source[field].get("name") or "")
        if name:
            yield from invalid_values(f"{path}[{index}].{field}.name", name, dns_subdomain(name))
        else:
            yield required(f"{path}[{index}].{field}.name")
    if not given:
        yield invalid_value(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        yield invalid_value(path, "", "may not have more than one field specified at a time")


def _validate_source(path: str, source: JsonObject, *, has_value: bool) -> Causes:
    given = [field for field in _SOURCES if isinstance(source.get(field), dict)]
    for field in given:
        yield from _validate_reference(f"{path}.{field}", field, source[field])
    if not given:
        names = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield invalid_value(path, "", f"must specify one of: {names}")
    elif has_value:
        yield invalid_value(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid_value(path, "", "may not have more than one field specified at a time")


def _validate_reference(path: str, field: str, reference: JsonObject) -> Causes:
    if field == "fieldRef":
        yield from _validate_field_path(f"{path}.fieldPath", str(reference.get("fieldPath") or ""))
    elif field == "resourceFieldRef":
        resource = str(reference.get("resource") or "")
        if not resource:
            yield required(f"{path}.resource")
        elif resource not in _CONTAINER_RESOURCE_FIELDS and not _HUGE_PAGES_FIELD.fullmatch(resource):
            yield unsupported(f"{path}.resource", resource, _CONTAINER_RESOURCE_FIELDS)
    elif field in {"configMapKeyRef", "secretKeyRef"}:
        key = str(reference.get("key") or "")
        if key:
            yield from invalid_values(f"{path}.key", key, config_key(key))
        else:
            yield required(f"{path}.key")


def _validate_field_path(path: str, field_path: str) -> Causes:
    if not field_path:
        yield required(path)
    elif field_path not in _ENVIRONMENT_FIELDS and not _KEYED_FIELD.fullmatch(field_path):
        yield invalid_value(path, field_path, f"error converting fieldPath: field label not supported: {field_path}")


def _validate_probe(path: str, probe: JsonObject, *, once: bool) -> Causes:
    yield from _validate_handler(path, probe)
    for number in _PROBE_NUMBERS:
        yield from not_negative(f"{path}.{number}", probe.get(number))
    grace = probe.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace <= 0:
        yield invalid_value(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0")
    # Only readiness can be asked to succeed several times.
    if once and probe.get("successThreshold") != 1:
        yield invalid_value(f"{path}.successThreshold", probe.get("successThreshold"), "must be 1")


def _validate_handler(path: str, handler: JsonObject) -> Causes:
    given = [field for field in (*_HANDLERS, "sleep") if isinstance(handler.get(field), dict)]
    if not given:
        yield required(path, "must specify a handler type")
        return
    first, *others = given
    action = handler[first]
    if first == "exec" and not action.get("command"):
        yield required(f"{path}.exec.command")
    elif first == "httpGet":
        if not action.get("path"):
            yield required(f"{path}.httpGet.path")
        yield from port_reference(f"{path}.httpGet.port", action.get("port"))
        yield from one_of(f"{path}.httpGet.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    elif first in {"tcpSocket", "grpc"}:
        yield from port_reference(f"{path}.{first}.port", action.get("port"))
    for other in others:
        yield forbidden(f"{path}.{other}", "may not specify more than 1 handler type")


def user_id(path: str, value: Any) -> Causes:
    """Refuse a number that is no user or group id."""
    if isinstance(value, int) and not 0 <= value <= _MAX_ID:
        yield invalid_value(path, value, f"must be between 0 and {_MAX_ID}, inclusive")


def _validate_security_context(path: str, context: Any) -> Causes:
    if not isinstance(context, dict):
        return
    yield from user_id(f"{path}.runAsUser", context.get("runAsUser"))
    yield from user_id(f"{path}.runAsGroup", context.get("runAsGroup"))
    if context.get("allowPrivilegeEscalation") is False:
        # Kubernetes prints its internal form of the whole context here; ours is the form that was sent.
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid_value(path, context, detail)
        capabilities = context.get("capabilities") or {}
        for capability in capabilities.get("add") or ():
            if capability in _SYS_ADMIN:
                detail = f"cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` {capability}"
                yield invalid_value(path, context, detail)
