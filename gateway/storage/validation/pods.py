"""Rules for Pods, and for the Pod templates inside workloads.

After Kubernetes `pkg/apis/core/v1/validation`. Pure.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.apimachinery.label_names import label_key
from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import (
    Causes,
    forbidden,
    invalid_value,
    invalid_values,
    one_of,
    required,
    unsupported,
)
from gateway.storage.validation.containers import user_id, validate_containers, validate_ephemeral_containers
from gateway.storage.validation.names import NOT_AN_IP, NameRule, dns_label, dns_subdomain, is_ip
from gateway.storage.validation.object_meta import validate_annotations, validate_labels
from gateway.storage.validation.volumes import validate_volumes

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
_TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_MAX_INT32 = 2**31 - 1
_SYSCTL = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
_UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)
_UPDATABLE_FIELDS = ("activeDeadlineSeconds", "tolerations", "schedulingGates", "ephemeralContainers")
_NAMED: dict[str, NameRule] = {
    "serviceAccountName": dns_subdomain,
    "nodeName": dns_subdomain,
    "hostname": dns_label,
    "subdomain": dns_label,
    "priorityClassName": dns_subdomain,
    "runtimeClassName": dns_subdomain,
}


def validate_new_pod(pod: JsonObject) -> Causes:
    """Judge a new Pod."""
    yield from validate_pod_spec("spec", pod["spec"])
    if objects(pod["spec"], "ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")


def validate_changed_pod(new: JsonObject, old: JsonObject) -> Causes:
    """Judge a changed Pod: most of a Pod cannot change."""
    spec, old_spec = new["spec"], old["spec"]
    yield from validate_pod_spec("spec", spec)
    yield from validate_ephemeral_containers("spec", spec)
    for containers in ("containers", "initContainers"):
        if len(objects(spec, containers)) != len(objects(old_spec, containers)):
            yield forbidden(f"spec.{containers}", "pod updates may not add or remove containers")
            return
    yield from _validate_deadline_change(spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"))
    yield from _validate_added_tolerations(spec, old_spec)
    updatable = set(_UPDATABLE_FIELDS)
    if (old_spec.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        updatable.add("terminationGracePeriodSeconds")
    if _without(updatable, spec) != _without(updatable, old_spec):
        yield forbidden("spec", f"pod updates may not change fields other than {_UPDATABLE}")


def _validate_deadline_change(new: Any, old: Any) -> Causes:
    path = "spec.activeDeadlineSeconds"
    if new is None and old is not None:
        yield invalid_value(path, None, "must not update from a positive integer to nil value")
    elif new is not None and old is not None and new > old:
        yield invalid_value(path, new, "must be less than or equal to previous value")


def _validate_added_tolerations(spec: JsonObject, old_spec: JsonObject) -> Causes:
    def without_seconds(toleration: JsonObject) -> JsonObject:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    kept = [without_seconds(toleration) for toleration in objects(spec, "tolerations")]
    if any(without_seconds(toleration) not in kept for toleration in objects(old_spec, "tolerations")):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")


def _without(updatable: set[str], spec: JsonObject) -> JsonObject:
    """Return a spec as far as it must not change."""
    fixed = {name: value for name, value in spec.items() if name not in updatable}
    for containers in ("containers", "initContainers"):
        fixed[containers] = [
            {name: value for name, value in container.items() if name != "image"}
            for container in objects(spec, containers)
        ]
    return fixed


def validate_pod_template(path: str, template: Any) -> Causes:
    """Judge the labels, annotations and spec of a template."""
    if not isinstance(template, dict):
        template = {}
    yield from validate_labels(f"{path}.labels", field(template, "metadata", "labels"))
    yield from validate_annotations(f"{path}.annotations", field(template, "metadata", "annotations"))
    spec = template.get("spec")
    yield from validate_pod_spec(f"{path}.spec", spec if isinstance(spec, dict) else {})
    if objects(spec, "ephemeralContainers"):
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def validate_pod_spec(path: str, spec: JsonObject) -> Causes:
    """Judge what Pods and templates have in common."""
    causes, volumes = validate_volumes(path, spec)
    yield from causes
    yield from validate_containers(path, spec, volumes)
    yield from _validate_host_network(path, spec)
    if "restartPolicy" in spec:
        yield from one_of(f"{path}.restartPolicy", spec["restartPolicy"], _RESTART_POLICIES)
    if "dnsPolicy" in spec:
        yield from one_of(f"{path}.dnsPolicy", spec["dnsPolicy"], _DNS_POLICIES)
    yield from validate_labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    yield from _validate_security_context(f"{path}.securityContext", spec)
    yield from _validate_affinity(f"{path}.affinity", spec.get("affinity"))
    if spec.get("dnsPolicy") == "None" and not field(spec, "dnsConfig", "nameservers"):
        if isinstance(spec.get("dnsConfig"), dict):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.dnsConfig.nameservers", detail)
        else:
            yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    yield from _validate_spread(f"{path}.topologySpreadConstraints", spec)
    for name, rule in _NAMED.items():
        if spec.get(name):
            yield from invalid_values(f"{path}.{name}", spec[name], rule(str(spec[name])))
    deadline = spec.get("activeDeadlineSeconds")
    if isinstance(deadline, int) and not 1 <= deadline <= _MAX_INT32:
        yield invalid_value(f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {_MAX_INT32}, inclusive")
    yield from _validate_tolerations(f"{path}.tolerations", spec)
    yield from _validate_host_aliases(f"{path}.hostAliases", spec)
    if spec.get("preemptionPolicy") is not None:
        yield from one_of(f"{path}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION_POLICIES)


def _validate_host_network(path: str, spec: JsonObject) -> Causes:
    if not spec.get("hostNetwork"):
        return
    for containers in ("containers", "initContainers"):
        for index, container in enumerate(objects(spec, containers)):
            for number, port in enumerate(objects(container, "ports")):
                host_port = port.get("hostPort")
                if host_port and host_port != port.get("containerPort"):
                    yield invalid_value(
                        f"{path}.{containers}[{index}].ports[{number}].hostPort",
                        host_port,
                        "must match `containerPort` when `hostNetwork` is true",
                    )


def _validate_security_context(path: str, spec: JsonObject) -> Causes:
    context = spec.get("securityContext")
    context = context if isinstance(context, dict) else {}
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from user_id(f"{path}.{name}", context.get(name))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from user_id(f"{path}.supplementalGroups[{index}]", group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid_value(f"{path}.shareProcessNamespace", True, detail)
    for index, sysctl in enumerate(objects(context, "sysctls")):
        name = str(sysctl.get("name") or "")
        if not name:
            yield required(f"{path}.sysctls[{index}].name")
        elif not re.match(_SYSCTL, name):
            detail = f"must have at most 253 characters and match regex {_SYSCTL}"
            yield invalid_value(f"{path}.sysctls[{index}].name", name, detail)


def _validate_affinity(path: str, affinity: Any) -> Causes:
    hard = "requiredDuringSchedulingIgnoredDuringExecution"
    nodes = field(affinity, "nodeAffinity", hard) if isinstance(affinity, dict) else None
    if isinstance(nodes, dict) and not nodes.get("nodeSelectorTerms"):
        detail = "must have at least one node selector term"
        yield required(f"{path}.nodeAffinity.{hard}.nodeSelectorTerms", detail)
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind) if isinstance(affinity, dict) else None
        for index, term in enumerate(objects(pods, hard)):
            key = str(term.get("topologyKey") or "")
            at = f"{path}.{kind}.{hard}[{index}].topologyKey"
            if not key:
                yield required(at, "can not be empty")
            yield from invalid_values(at, key, label_key(key))


def _validate_spread(path: str, spec: JsonObject) -> Causes:
    for index, constraint in enumerate(objects(spec, "topologySpreadConstraints")):
        at = f"{path}[{index}]"
        if (constraint.get("maxSkew") or 0) <= 0:
            yield invalid_value(f"{at}.maxSkew", constraint.get("maxSkew") or 0, "must be greater than zero")
        if not constraint.get("topologyKey"):
            yield required(f"{at}.topologyKey", "can not be empty")
        when = constraint.get("whenUnsatisfiable")
        yield from one_of(f"{at}.whenUnsatisfiable", when, ("DoNotSchedule", "ScheduleAnyway"))


def _validate_tolerations(path: str, spec: JsonObject) -> Causes:
    for index, toleration in enumerate(objects(spec, "tolerations")):
        at = f"{path}[{index}]"
        key, operator = str(toleration.get("key") or ""), str(toleration.get("operator") or "")
        effect, value = str(toleration.get("effect") or ""), str(toleration.get("value") or "")
        if key:
            yield from invalid_values(f"{at}.key", key, label_key(key))
        elif operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid_value(f"{at}.operator", operator, detail)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield invalid_value(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        if operator == "Exists" and value:
            yield invalid_value(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        elif operator not in {"", "Equal", "Exists"}:
            yield unsupported(f"{at}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in _TAINT_EFFECTS:
            yield unsupported(f"{at}.effect", effect, _TAINT_EFFECTS)


def _validate_host_aliases(path: str, spec: JsonObject) -> Causes:
    for index, alias in enumerate(objects(spec, "hostAliases")):
        address = str(alias.get("ip") or "")
        if not is_ip(address):
            yield invalid_value(f"{path}[{index}].ip", address, NOT_AN_IP)
        for number, hostname in enumerate(alias.get("hostnames") or ()):
            yield from invalid_values(f"{path}[{index}].hostnames[{number}]", hostname, dns_subdomain(str(hostname)))
