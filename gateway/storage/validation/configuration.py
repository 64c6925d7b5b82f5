"""Rules for kinds that hold or bound things: ConfigMaps, Secrets, namespaces, quotas, claims, leases, Events, Nodes.

After Kubernetes `pkg/apis/core/v1/validation` and `coordination/validation`. Pure.
"""

import base64
import binascii
import json
from typing import Any

from gateway.apimachinery.label_names import label_key, label_value
from gateway.apimachinery.meta import JsonObject, annotations, field, namespace
from gateway.apimachinery.patch.go_text import json_type
from gateway.storage.defaulting.quantity import quantity_value
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import (
    Cause,
    Causes,
    duplicate,
    forbidden,
    invalid_value,
    invalid_values,
    not_negative,
    required,
    too_long,
    unchanged,
    unsupported,
)
from gateway.storage.validation.names import config_key, dns_subdomain
from gateway.storage.validation.object_meta import validate_finalizer_name
from gateway.storage.validation.resources import validate_quota

DATA_LIMIT = 1024 * 1024
"""Most bytes a ConfigMap or Secret may hold."""

_FROZEN = "field is immutable when `immutable` is set"
_REDACTED = "<secret contents redacted>"
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"
_SECRET_KEYS = {"kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/ssh-auth": ("ssh-privatekey",)}
_SECRET_DOCUMENTS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}
_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _entries(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(str(text))
    except binascii.Error:
        return b""


def _validate_frozen(new: JsonObject, old: JsonObject | None, *parts: str) -> Causes:
    """An immutable ConfigMap or Secret stays so, with what it holds."""
    if old is None or not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden("immutable", _FROZEN)
    for part in parts:
        if _entries(new.get(part)) != _entries(old.get(part)):
            yield forbidden(part, _FROZEN)


def validate_config_map(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a ConfigMap."""
    yield from _validate_frozen(new, old, "data", "binaryData")
    data, binary = _entries(new.get("data")), _entries(new.get("binaryData"))
    for key in data:
        yield from invalid_values(f"data[{key}]", key, config_key(key))
        if key in binary:
            yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from invalid_values(f"binaryData[{key}]", key, config_key(key))
    size = sum(len(str(value).encode()) for value in data.values())
    size += sum(len(_decoded(value)) for value in binary.values())
    if size > DATA_LIMIT:
        yield too_long("", DATA_LIMIT)


def validate_secret(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a Secret. What it holds is never printed."""
    if old is not None:
        yield from unchanged("type", new.get("type"), old.get("type"))
    yield from _validate_frozen(new, old, "data")
    data = _entries(new.get("data"))
    for key in data:
        yield from invalid_values(f"data[{key}]", key, config_key(key))
    if sum(len(_decoded(value)) for value in data.values()) > DATA_LIMIT:
        yield too_long("data", DATA_LIMIT)
    yield from _validate_secret_type(str(new.get("type")), new, data)


def _validate_secret_type(secret_type: str, secret: JsonObject, data: JsonObject) -> Causes:
    for key in _SECRET_KEYS.get(secret_type, ()):
        if key not in data:
            yield required(f"data[{key}]")
    if secret_type == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():  # noqa: S105  (a type)
        yield required("data[username]")
        yield required("data[password]")
    if secret_type == "kubernetes.io/service-account-token" and not annotations(secret).get(_SERVICE_ACCOUNT):  # noqa: S105  (a type)
        yield required(f"metadata.annotations[{_SERVICE_ACCOUNT}]")
    document = _SECRET_DOCUMENTS.get(secret_type)
    if document and document not in data:
        yield required(f"data[{document}]")
    elif document and (fault := _json_fault(_decoded(data[document]))):
        yield invalid_value(f"data[{document}]", _REDACTED, fault)


def _json_fault(text: bytes) -> str:
    """Say why a text is no JSON object, in the words of Go's decoder as far as they give nothing away."""
    try:
        value = json.loads(text)
    except ValueError:
        if not text.strip():
            return "unexpected end of JSON input"
        return f"invalid character '{text.decode(errors='replace').strip()[0]}' looking for beginning of value"
    if isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {json_type(value)} into Go value of type map[string]interface {{}}"


def validate_namespace(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a Namespace."""
    for finalizer in field(new, "spec", "finalizers") or ():
        yield from invalid_values("spec.finalizers", finalizer, label_key(str(finalizer)))
        yield from validate_finalizer_name("spec.finalizers", str(finalizer))


def validate_resource_quota(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a ResourceQuota."""
    yield from validate_quota("spec.hard", field(new, "spec", "hard"))


def validate_persistent_volume_claim(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a PersistentVolumeClaim."""
    spec = new["spec"]
    if not spec.get("accessModes"):
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in spec.get("accessModes") or ():
        if mode not in _ACCESS_MODES:
            yield unsupported("spec.accessModes", mode, _ACCESS_MODES)
    storage = quantity_value(field(spec, "resources", "requests", "storage"))
    if storage is None:
        yield required("spec.resources[storage]")
    elif storage <= 0:
        yield invalid_value(
            "spec.resources[storage]", str(spec["resources"]["requests"]["storage"]), "must be greater than zero"
        )
    if spec.get("storageClassName"):
        yield from invalid_values(
            "spec.storageClassName", spec["storageClassName"], dns_subdomain(spec["storageClassName"])
        )
    if old is not None:
        yield from _validate_claim_change(new, old)


def _validate_claim_change(new: JsonObject, old: JsonObject) -> Causes:
    growing = {"volumeAttributesClassName"}
    if field(old, "status", "phase") == "Bound":
        growing.add("resources")
    fixed, fixed_before = (
        {name: value for name, value in claim["spec"].items() if name not in growing} for claim in (new, old)
    )
    # Binding fills these in.
    for name in ("volumeName", "storageClassName"):
        if not fixed_before.get(name):
            fixed.pop(name, None)
            fixed_before.pop(name, None)
    if fixed != fixed_before:
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", detail)


def validate_lease(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a Lease."""
    duration = field(new, "spec", "leaseDurationSeconds")
    if isinstance(duration, int) and duration <= 0:
        yield invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")
    yield from not_negative("spec.leaseTransitions", field(new, "spec", "leaseTransitions"))


def validate_event(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge an Event of the core group. Those without `eventTime` are of the old kind, of which little is asked."""
    about, own = field(new, "involvedObject", "namespace") or "", namespace(new)
    of_the_cluster = {"default"} if not new.get("eventTime") else {"default", "kube-system"}
    if (about and about != own and not new.get("eventTime")) or (not about and own not in of_the_cluster):
        yield invalid_value("involvedObject.namespace", about, "does not match event.namespace")
    if not new.get("eventTime"):
        return
    component = str(new.get("reportingComponent") or "")
    if not component:
        yield required("reportingComponent")
    yield from invalid_values("reportingComponent", component, label_key(component))
    for name in ("reportingInstance", "action", "reason"):
        if not new.get(name):
            yield required(name)


def validate_node(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge the taints of a Node."""
    seen: set[tuple[Any, Any]] = set()
    for index, taint in enumerate(objects(new.get("spec"), "taints")):
        yield from _validate_taint(f"metadata.taints[{index}]", taint)
        pair = taint.get("key"), taint.get("effect")
        if pair in seen:
            yield _duplicate_taint(f"metadata.taints[{index}]", taint)
        seen.add(pair)


def _validate_taint(path: str, taint: JsonObject) -> Causes:
    key, value, effect = (str(taint.get(name) or "") for name in ("key", "value", "effect"))
    yield from invalid_values(f"{path}.key", key, label_key(key))
    yield from invalid_values(f"{path}.value", value, label_value(value))
    if not effect:
        yield required(f"{path}.effect")
    elif effect not in _TAINT_EFFECTS:
        yield unsupported(f"{path}.effect", effect, _TAINT_EFFECTS)


def _duplicate_taint(path: str, taint: JsonObject) -> Cause:
    shown = {name: taint.get(name.lower()) or "" for name in ("Key", "Value", "Effect")}
    cause = duplicate(path, {**shown, "TimeAdded": taint.get("timeAdded")})
    cause["message"] += ": taints must be unique by key and effect pair"
    return cause
