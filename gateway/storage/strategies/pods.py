"""What kube-apiserver and its admission plugins put into a new Pod, as far as `kubectl describe pod` shows it."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject, field

_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"
_TOLERATION_SECONDS = 300


def prepare_new_pod(pod: JsonObject) -> None:
    """Set the QoS class and what the ServiceAccount, DefaultTolerationSeconds and Priority plugins set."""
    pod["status"]["qosClass"] = qos_class(pod)
    spec = pod["spec"]
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = spec.setdefault("tolerations", [])
    for taint in (_NOT_READY, _UNREACHABLE):
        if not any(_tolerates(toleration, taint) for toleration in tolerations):
            tolerations.append(
                {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATION_SECONDS}
            )


def _tolerates(toleration: Any, taint: str) -> bool:
    return toleration.get("key") in {None, "", taint} and toleration.get("effect") in {None, "", "NoExecute"}


def qos_class(pod: JsonObject) -> str:
    """Return the quality-of-service class: Guaranteed when all containers limit CPU and memory to what they request."""
    containers = [*(pod["spec"].get("containers") or []), *(pod["spec"].get("initContainers") or [])]
    requests = [_amounts(container, "requests") for container in containers]
    limits = [_amounts(container, "limits") for container in containers]
    if not any(requests) and not any(limits):
        return "BestEffort"
    guaranteed = all(
        limit.keys() == {"cpu", "memory"} and (request or limit) == limit
        for request, limit in zip(requests, limits, strict=True)
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _amounts(container: JsonObject, side: str) -> dict[str, str]:
    amounts = field(container, "resources", side) or {}
    return {name: str(amounts[name]) for name in ("cpu", "memory") if str(amounts.get(name, "0")) not in {"0", ""}}


def add_ephemeral_containers(pod: JsonObject, old: JsonObject) -> JsonObject:
    """Return the stored Pod with the ephemeral containers of the written one: all that subresource may change."""
    containers = pod["spec"].get("ephemeralContainers")
    spec = {name: value for name, value in old["spec"].items() if name != "ephemeralContainers"}
    return {**old, "spec": {**spec, "ephemeralContainers": containers} if containers else spec}
