"""Role based access control: rules against attributes. Pure.

Follows k8s.io/kubernetes `plugin/pkg/auth/authorizer/rbac` and `pkg/registry/rbac/validation`: additive rules only, cluster
bindings first, then those of the request's namespace. What it is fed comes from rbac_source.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.request import UserInfo

ALL = "*"
_SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One rule of a role; empty tuples match nothing, except `resource_names`, where empty means any."""

    verbs: tuple[str, ...] = ()
    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = ()

    @classmethod
    def from_object(cls, rule: JsonObject) -> PolicyRule:
        """Read a rule of a Role or ClusterRole; what is no list of strings reads as empty."""
        return cls(
            _strings(rule, "verbs"),
            _strings(rule, "apiGroups"),
            _strings(rule, "resources"),
            _strings(rule, "resourceNames"),
            _strings(rule, "nonResourceURLs"),
        )

    def allows(self, attributes: Attributes) -> bool:
        """Whether this rule covers the request."""
        if not _has(self.verbs, attributes.verb):
            return False
        if not attributes.is_resource_request:
            return any(_url_matches(pattern, attributes.path) for pattern in self.non_resource_urls)
        return (
            _has(self.api_groups, attributes.api_group)
            and self._has_resource(attributes)
            and (not self.resource_names or attributes.name in self.resource_names)
        )

    def _has_resource(self, attributes: Attributes) -> bool:
        if not attributes.subresource:
            return _has(self.resources, attributes.resource)
        combined = f"{attributes.resource}/{attributes.subresource}"
        return _has(self.resources, combined) or f"*/{attributes.subresource}" in self.resources

    def to_object(self, *, resource: bool) -> JsonObject:
        """Return the rule as it stands in the answer of a SelfSubjectRulesReview."""
        if not resource:
            return {"verbs": list(self.verbs), "nonResourceURLs": list(self.non_resource_urls)}
        rule: JsonObject = {
            "verbs": list(self.verbs),
            "apiGroups": list(self.api_groups),
            "resources": list(self.resources),
        }
        if self.resource_names:
            rule["resourceNames"] = list(self.resource_names)
        return rule


@dataclass(frozen=True, slots=True)
class Binding:
    """A RoleBinding or ClusterRoleBinding; `namespace` is empty for the latter."""

    name: str
    namespace: str
    role_kind: str
    role_name: str
    subjects: tuple[JsonObject, ...]

    @classmethod
    def from_object(cls, obj: JsonObject) -> Binding:
        """Read a binding."""
        role = obj.get("roleRef")
        role = role if isinstance(role, dict) else {}
        subjects = obj.get("subjects")
        listed = subjects if isinstance(subjects, list) else []
        return cls(
            meta.name(obj),
            meta.namespace(obj),
            str(role.get("kind", "")),
            str(role.get("name", "")),
            tuple(subject for subject in listed if isinstance(subject, dict)),
        )

    def subject_for(self, user: UserInfo) -> str:
        """Return how the binding names the user (for reasons), or an empty string when it does not."""
        for subject in self.subjects:
            kind, name = subject.get("kind"), subject.get("name")
            if kind == "User" and name == user.name:
                return f'User "{name}"'
            if kind == "Group" and name in user.groups:
                return f'Group "{name}"'
            if kind == "ServiceAccount":
                namespace = subject.get("namespace") or self.namespace
                if user.name == f"{_SERVICE_ACCOUNT_PREFIX}{namespace}:{name}":
                    return f'ServiceAccount "{name}/{namespace}"'
        return ""


@dataclass(frozen=True, slots=True)
class Policy:
    """All roles and bindings at one moment. Roles are keyed by (namespace, name), cluster roles by ("", name)."""

    roles: Mapping[tuple[str, str], tuple[PolicyRule, ...]] = field(default_factory=dict)
    cluster_bindings: Sequence[Binding] = ()
    bindings: Mapping[str, Sequence[Binding]] = field(default_factory=dict)

    def rules_of(self, binding: Binding) -> tuple[PolicyRule, ...]:
        """Return the rules a binding grants; a role that does not exist grants nothing."""
        namespace = "" if binding.role_kind == "ClusterRole" else binding.namespace
        return self.roles.get((namespace, binding.role_name), ())

    def grants(self, user: UserInfo, namespace: str) -> Iterator[tuple[Binding, str, tuple[PolicyRule, ...]]]:
        """Yield every binding that names the user in this namespace, how, and the rules that come with it."""
        for binding in (*self.cluster_bindings, *(self.bindings.get(namespace, ()) if namespace else ())):
            subject = binding.subject_for(user)
            if subject:
                yield binding, subject, self.rules_of(binding)


def authorize(policy: Policy, attributes: Attributes) -> Decision:
    """Decide by RBAC: allowed with the binding as the reason, or no opinion."""
    for binding, subject, rules in policy.grants(attributes.user, attributes.namespace):
        if any(rule.allows(attributes) for rule in rules):
            return Decision(Outcome.ALLOW, _reason(binding, subject))
    return Decision(Outcome.NO_OPINION, "")


def _reason(binding: Binding, subject: str) -> str:
    if binding.namespace:
        kind, name = "RoleBinding", f"{binding.name}/{binding.namespace}"
    else:
        kind, name = "ClusterRoleBinding", binding.name
    return f'RBAC: allowed by {kind} "{name}" of {binding.role_kind} "{binding.role_name}" to {subject}'


def visible_rules(policy: Policy, user: UserInfo, namespace: str) -> list[PolicyRule]:
    """Return every rule that applies to the user in a namespace, for `kubectl auth can-i --list`."""
    return list(dict.fromkeys(rule for _, _, rules in policy.grants(user, namespace) for rule in rules))


def aggregate(cluster_roles: Iterable[JsonObject]) -> dict[tuple[str, str], tuple[PolicyRule, ...]]:
    """Return the rules of cluster roles; those with an aggregationRule get the rules of the roles it selects."""
    roles = list(cluster_roles)
    own = {meta.name(role): _rules(role) for role in roles}
    result = {("", name): rules for name, rules in own.items()}
    for role in roles:
        selectors = meta.field(role, "aggregationRule", "clusterRoleSelectors")
        if isinstance(selectors, list):
            selected = [other for other in roles if other is not role and _selected(other, selectors)]
            rules = [rule for other in selected for rule in own[meta.name(other)]]
            result["", meta.name(role)] = tuple(dict.fromkeys(rules))
    return result


def role_rules(role: JsonObject) -> tuple[PolicyRule, ...]:
    """Return the rules of a Role."""
    return _rules(role)


def _selected(role: JsonObject, selectors: Sequence[object]) -> bool:
    labels = meta.labels(role)
    for selector in selectors:
        wanted = selector.get("matchLabels") if isinstance(selector, dict) else None
        if isinstance(wanted, dict) and wanted and all(labels.get(key) == value for key, value in wanted.items()):
            return True
    return False


def _rules(role: JsonObject) -> tuple[PolicyRule, ...]:
    rules = role.get("rules")
    return (
        tuple(PolicyRule.from_object(rule) for rule in rules if isinstance(rule, dict))
        if isinstance(rules, list)
        else ()
    )


def _strings(rule: JsonObject, name: str) -> tuple[str, ...]:
    value = rule.get(name)
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def _has(allowed: tuple[str, ...], wanted: str) -> bool:
    return ALL in allowed or wanted in allowed


def _url_matches(pattern: str, path: str) -> bool:
    if pattern == ALL or pattern == path:
        return True
    return pattern.endswith("*") and path.startswith(pattern[:-1])
