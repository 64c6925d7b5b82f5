"""Rules for roles and their bindings.

After Kubernetes `pkg/apis/rbac/validation`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import Causes, invalid_value, invalid_values, one_of, required, unsupported
from gateway.storage.validation.label_selectors import is_valid, validate_label_selector
from gateway.storage.validation.names import dns_subdomain, path_segment

_GROUP = "rbac.authorization.k8s.io"
_SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


def validate_role(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a Role."""
    yield from _validate_rules(new, namespaced=True)


def validate_cluster_role(new: JsonObject, _old: JsonObject | None) -> Causes:
    """Judge a ClusterRole."""
    yield from _validate_rules(new, namespaced=False)
    aggregation = new.get("aggregationRule")
    if not isinstance(aggregation, dict):
        return
    path = "aggregationRule.clusterRoleSelectors"
    selectors = objects(aggregation, "clusterRoleSelectors")
    if not selectors:
        yield required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, selector in enumerate(selectors):
        yield from validate_label_selector(f"{path}[{index}]", selector)
        if not is_valid(selector):
            yield invalid_value(f"{path}[{index}]", None, "invalid label selector.")


def _validate_rules(role: JsonObject, *, namespaced: bool) -> Causes:
    for index, rule in enumerate(objects(role, "rules")):
        at = f"rules[{index}]"
        groups, resources, urls = (rule.get(field) or [] for field in ("apiGroups", "resources", "nonResourceURLs"))
        if not rule.get("verbs"):
            yield required(f"{at}.verbs", "verbs must contain at least one value")
        if urls:
            if namespaced:
                yield invalid_value(f"{at}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
            if groups or resources or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield invalid_value(f"{at}.nonResourceURLs", urls, detail)
            continue
        if not groups:
            yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not resources:
            yield required(f"{at}.resources", "resource rules must supply at least one resource")


def validate_role_binding(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a RoleBinding, whose role cannot change."""
    yield from _validate_binding(new, old, ("Role", "ClusterRole"))


def validate_cluster_role_binding(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a ClusterRoleBinding, whose role cannot change."""
    yield from _validate_binding(new, old, ("ClusterRole",))


def _validate_binding(new: JsonObject, old: JsonObject | None, role_kinds: Sequence[str]) -> Causes:
    role = new["roleRef"]
    if role.get("apiGroup") != _GROUP:
        yield unsupported("roleRef.apiGroup", role.get("apiGroup") or "", (_GROUP,))
    yield from one_of("roleRef.kind", role.get("kind"), role_kinds)
    if role.get("name"):
        yield from invalid_values("roleRef.name", role["name"], path_segment(role["name"]))
    else:
        yield required("roleRef.name")
    for index, subject in enumerate(objects(new, "subjects")):
        yield from _validate_subject(f"subjects[{index}]", subject, in_cluster=role_kinds == ("ClusterRole",))
    if old is not None and role != old["roleRef"]:
        shown = {name: role.get(field) or "" for name, field in _PRINTED_ROLE.items()}
        yield invalid_value("roleRef", shown, "cannot change roleRef")


_PRINTED_ROLE = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}


def _validate_subject(path: str, subject: JsonObject, *, in_cluster: bool) -> Causes:
    kind, name, group = (str(subject.get(field) or "") for field in ("kind", "name", "apiGroup"))
    if not name:
        yield required(f"{path}.name")
    if kind not in _SUBJECT_KINDS:
        yield unsupported(f"{path}.kind", kind, _SUBJECT_KINDS)
    elif kind != "ServiceAccount":
        if group != _GROUP:
            yield unsupported(f"{path}.apiGroup", group, (_GROUP,))
    else:
        if name:
            yield from invalid_values(f"{path}.name", name, dns_subdomain(name))
        if group:
            yield unsupported(f"{path}.apiGroup", group, ("",))
        if in_cluster and not subject.get("namespace"):
            yield required(f"{path}.namespace")
