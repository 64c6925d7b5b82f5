"""The roles and bindings an embedded store begins with. Pure data.

The names and meanings are those of every Kubernetes cluster, so that `view`, `edit`, `admin` and `cluster-admin` can be
bound as usual; our own addition is the group whose members administer the gateway.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject

ADMINS_GROUP = "fleetgate:admins"
AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"

_API_VERSION = "rbac.authorization.k8s.io/v1"
_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_WORKLOADS = {
    "": ["configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "replicationcontrollers", "services"],
    "apps": ["controllerrevisions", "daemonsets", "deployments", "deployments/scale", "replicasets",
             "replicasets/scale", "statefulsets", "statefulsets/scale"],
    "autoscaling": ["horizontalpodautoscalers"],
    "batch": ["cronjobs", "jobs"],
    "networking.k8s.io": ["ingresses", "networkpolicies"],
    "policy": ["poddisruptionbudgets"],
    "coordination.k8s.io": ["leases"],
    "discovery.k8s.io": ["endpointslices"],
    "events.k8s.io": ["events"],
}  # fmt: skip
_VIEW_ONLY = {"": ["namespaces", "pods/log", "pods/status", "resourcequotas", "limitranges", "serviceaccounts"]}
_EDIT_ONLY = {
    "": ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "pods/eviction", "secrets", "serviceaccounts"]
}


def _role(name: str, rules: list[JsonObject], labels: dict[str, str] | None = None) -> JsonObject:
    metadata: JsonObject = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
    metadata["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults", **(labels or {})}
    return {"apiVersion": _API_VERSION, "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def _rules(table: dict[str, list[str]], verbs: list[str]) -> list[JsonObject]:
    return [{"apiGroups": [group], "resources": resources, "verbs": verbs} for group, resources in table.items()]


def _aggregated(name: str, labels: dict[str, str] | None = None) -> JsonObject:
    role = _role(name, [], labels)
    selector = {"matchLabels": {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}}
    return {**role, "aggregationRule": {"clusterRoleSelectors": [selector]}}


def _binding(name: str, role: str, *groups: str) -> JsonObject:
    subjects = [{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"} for group in groups]
    return {
        "apiVersion": _API_VERSION,
        "kind": "ClusterRoleBinding",
        "metadata": {
            "name": name,
            "annotations": {AUTO_UPDATE: "true"},
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        },
        "subjects": subjects,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
    }


def cluster_roles() -> list[JsonObject]:
    """Return the cluster roles, each complete."""
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    all_paths = {"nonResourceURLs": ["*"], "verbs": ["*"]}
    health = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
    documents = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", *health]
    reviews = {
        "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        "verbs": ["create"],
    }
    who_am_i = {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]}
    roles_of_namespace = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["roles", "rolebindings"],
        "verbs": [*_READ, *_WRITE],
    }
    to = "rbac.authorization.k8s.io/aggregate-to-"
    return [
        _role("cluster-admin", [everything, all_paths]),
        _role("system:discovery", [{"nonResourceURLs": documents, "verbs": ["get"]}]),
        _role("system:public-info-viewer", [{"nonResourceURLs": health, "verbs": ["get"]}]),
        _role("system:basic-user", [reviews, who_am_i]),
        _aggregated("admin"),
        _aggregated("edit", {f"{to}admin": "true"}),
        _aggregated("view", {f"{to}edit": "true"}),
        _role("system:aggregate-to-admin", [roles_of_namespace], {f"{to}admin": "true"}),
        _role(
            "system:aggregate-to-edit",
            [*_rules(_WORKLOADS, _WRITE), *_rules(_EDIT_ONLY, [*_READ, *_WRITE])],
            {f"{to}edit": "true", f"{to}admin": "true"},
        ),
        _role(
            "system:aggregate-to-view",
            [*_rules(_WORKLOADS, _READ), *_rules(_VIEW_ONLY, _READ)],
            {f"{to}view": "true", f"{to}edit": "true", f"{to}admin": "true"},
        ),
    ]


def cluster_role_bindings() -> list[JsonObject]:
    """Return the cluster role bindings, each complete."""
    return [
        _binding("cluster-admin", "cluster-admin", "system:masters"),
        _binding("fleetgate:admins", "cluster-admin", ADMINS_GROUP),
        _binding("system:discovery", "system:discovery", "system:authenticated"),
        _binding("system:basic-user", "system:basic-user", "system:authenticated"),
        _binding(
            "system:public-info-viewer", "system:public-info-viewer", "system:authenticated", "system:unauthenticated"
        ),
    ]
