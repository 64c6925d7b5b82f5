"""Rules for the kinds of apps/v1 that keep Pods running.

After Kubernetes `pkg/apis/apps/validation`. Pure.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.validation.causes import (
    IMMUTABLE,
    Causes,
    forbidden,
    invalid_value,
    invalid_values,
    not_negative,
    one_of,
    required,
    unsupported,
)
from gateway.storage.validation.label_selectors import is_valid, printable, selects, validate_label_selector
from gateway.storage.validation.names import dns_label
from gateway.storage.validation.numbers import amount, not_above_100_percent, number_or_percentage
from gateway.storage.validation.pods import validate_pod_template

_TEMPLATE = "spec.template"
_RETENTION_POLICIES = ("Retain", "Delete")
_STATEFUL_SET_UPDATABLE = frozenset(
    {"replicas", "ordinals", "template", "updateStrategy", "minReadySeconds", "revisionHistoryLimit",
     "persistentVolumeClaimRetentionPolicy"}
)  # fmt: skip


def _validate_selector(spec: JsonObject, kind: str, *, needed: bool = True) -> Causes:
    selector = spec.get("selector")
    if not isinstance(selector, dict):
        if needed:
            yield required("spec.selector")
        return
    yield from validate_label_selector("spec.selector", selector)
    if not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield invalid_value("spec.selector", printable(selector), f"empty selector is invalid for {kind}")


def _mismatch(spec: JsonObject) -> Causes:
    """Refuse a template whose labels the selector does not pick."""
    selector = spec.get("selector")
    if isinstance(selector, dict) and not is_valid(selector):
        yield invalid_value("spec.selector", printable(selector), "invalid label selector")
        return
    labels = field(spec, "template", "metadata", "labels")
    if not isinstance(selector, dict) or not selects(selector, labels or {}):
        detail = "`selector` does not match template `labels`"
        yield invalid_value(f"{_TEMPLATE}.metadata.labels", dict(sorted(labels.items())) if labels else None, detail)


def _validate_template(spec: JsonObject, kind: str) -> Causes:
    yield from _mismatch(spec)
    yield from validate_pod_template(_TEMPLATE, spec.get("template"))
    policy = field(spec, "template", "spec", "restartPolicy")
    if policy != "Always":
        yield unsupported(f"{_TEMPLATE}.spec.restartPolicy", policy or "", ("Always",))
    if field(spec, "template", "spec", "activeDeadlineSeconds") is not None:
        path = f"{_TEMPLATE}.spec.activeDeadlineSeconds"
        yield forbidden(path, f"activeDeadlineSeconds in {kind} is not Supported")


def _validate_immutable_selector(new: JsonObject, old: JsonObject | None) -> Causes:
    selector = new["spec"].get("selector")
    if old is not None and selector != field(old, "spec", "selector"):
        yield invalid_value("spec.selector", printable(selector) if selector else None, IMMUTABLE)


def validate_deployment(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a Deployment."""
    spec = new["spec"]
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _validate_selector(spec, "deployment")
    yield from _validate_template(spec, "ReplicaSet")
    yield from _validate_deployment_strategy(spec.get("strategy") or {})
    for number in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        yield from not_negative(f"spec.{number}", spec.get(number))
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    yield from _validate_immutable_selector(new, old)


def _validate_deployment_strategy(strategy: JsonObject) -> Causes:
    rolling, path = strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    kind = strategy.get("type")
    if kind == "Recreate":
        if rolling is not None:
            yield forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    if kind != "RollingUpdate":
        shown = {"Type": kind or "", "RollingUpdate": rolling}
        yield unsupported("spec.strategy", shown, ("Recreate", "RollingUpdate"))
        return
    surge, unavailable = (
        field(strategy, "rollingUpdate", "maxSurge"),
        field(strategy, "rollingUpdate", "maxUnavailable"),
    )
    yield from number_or_percentage(f"{path}.maxUnavailable", unavailable)
    yield from number_or_percentage(f"{path}.maxSurge", surge)
    if amount(unavailable) == 0 and amount(surge) == 0:
        yield invalid_value(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from not_above_100_percent(f"{path}.maxUnavailable", unavailable)


def validate_replica_set(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a ReplicaSet."""
    spec = new["spec"]
    for number in ("replicas", "minReadySeconds"):
        yield from not_negative(f"spec.{number}", spec.get(number))
    yield from _validate_selector(spec, "deployment")
    yield from _validate_template(spec, "ReplicaSet")
    yield from _validate_immutable_selector(new, old)


def validate_daemon_set(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a DaemonSet."""
    spec = new["spec"]
    yield from _validate_selector(spec, "daemonset", needed=False)
    yield from _validate_template(spec, "DaemonSet")
    for number in ("minReadySeconds", "revisionHistoryLimit"):
        yield from not_negative(f"spec.{number}", spec.get(number))
    strategy = spec.get("updateStrategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind not in {"RollingUpdate", "OnDelete"}:
        shown = {"Type": kind or "", "RollingUpdate": rolling}
        yield unsupported("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete"))
    elif kind == "RollingUpdate":
        yield from _validate_daemon_set_rollout("spec.updateStrategy.rollingUpdate", rolling or {})
    yield from _validate_immutable_selector(new, old)


def _validate_daemon_set_rollout(path: str, rolling: JsonObject) -> Causes:
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for name, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        yield from number_or_percentage(f"{path}.{name}", value)
        yield from not_above_100_percent(f"{path}.{name}", value)
    if amount(unavailable) and amount(surge):
        yield invalid_value(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not (amount(unavailable) or amount(surge)):
        yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def validate_stateful_set(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a StatefulSet."""
    spec = new["spec"]
    if old is not None and _fixed(spec) != _fixed(old["spec"]):
        yield forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
            "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        )
    if spec.get("podManagementPolicy") not in {"OrderedReady", "Parallel"}:
        detail = "must be 'OrderedReady' or 'Parallel'"
        yield invalid_value("spec.podManagementPolicy", spec.get("podManagementPolicy"), detail)
    yield from _validate_stateful_set_strategy(spec.get("updateStrategy") or {})
    for occasion in ("whenDeleted", "whenScaled"):
        policy = field(spec, "persistentVolumeClaimRetentionPolicy", occasion)
        yield from one_of(f"spec.persistentVolumeClaimRetentionPolicy.{occasion}", policy, _RETENTION_POLICIES)
    for number in ("replicas", "minReadySeconds"):
        yield from not_negative(f"spec.{number}", spec.get(number))
    yield from not_negative("spec.ordinals.start", field(spec, "ordinals", "start"))
    if spec.get("serviceName"):
        yield from invalid_values("spec.serviceName", spec["serviceName"], dns_label(spec["serviceName"]))
    yield from _validate_selector(spec, "statefulset")
    yield from _validate_template(spec, "StatefulSet")


def _fixed(spec: JsonObject) -> JsonObject:
    """Return the fields of a StatefulSet that must not change; the status of claim templates is not one."""
    fixed: dict[str, Any] = {name: value for name, value in spec.items() if name not in _STATEFUL_SET_UPDATABLE}
    claims = fixed.get("volumeClaimTemplates") or ()
    fixed["volumeClaimTemplates"] = [{**claim, "status": None} for claim in claims]
    return fixed


def _validate_stateful_set_strategy(strategy: JsonObject) -> Causes:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if isinstance(rolling, dict):
            shown = {"Partition": rolling.get("partition"), "MaxUnavailable": rolling.get("maxUnavailable")}
            yield invalid_value(f"{path}.rollingUpdate", shown, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind == "RollingUpdate":
        yield from not_negative(f"{path}.rollingUpdate.partition", field(strategy, "rollingUpdate", "partition"))
    else:
        shown = {"Type": kind or "", "RollingUpdate": rolling}
        yield invalid_value(path, shown, "must be 'RollingUpdate' or 'OnDelete'")
