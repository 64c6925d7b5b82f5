"""The objects that the demo creates through the gateway, each with the path of its collection. Pure data."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROLE = "fleetgate:simulation"


def hello_deployment() -> tuple[str, JsonObject]:
    """Return the workload of a first start, so that there are Pods to see at once."""
    labels = {"app": "hello"}
    container = {"name": "hello", "image": "hello:1.0", "ports": [{"containerPort": 8080}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hello", "namespace": "default", "labels": labels},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    return "/apis/apps/v1/namespaces/default/deployments", deployment


def simulation_rights(user: str) -> list[tuple[str, JsonObject]]:
    """Return what grants `user` the rights of a controller that propagates Deployments."""
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _ROLE},
        "rules": [
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["deployments/status"], "verbs": ["patch"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        ],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _ROLE},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _ROLE},
    }
    return [(f"{_RBAC}/clusterroles", role), (f"{_RBAC}/clusterrolebindings", binding)]
