"""Role based access control: rules against attributes. Pure.

Follows k8s.io/kubernetes `plugin/pkg/auth/authorizer/rbac` and `pkg/registry/rbac/validation`: additive rules only,
cluster bindings first, then those of the request's namespace. What it is fed comes from rbac_source.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.apimachinery import meta
from gateway.apimachinery.label_selectors import LabelSelector, read_label_selector
from gateway.apimachinery.meta import JsonObject
from gateway.authorization.authorizer import Attributes, Decision, Outcome
from gateway.request import UserInfo

ALL = "*"
logger = logging.getLogger("gateway.authorization")

_SERVICE_ACCOUNT_PREFIX = "system:serviceaccount:"
_REMEMBERED, _FEW = 2048, 32
"""Of so many callers in a namespace it is kept what is granted to them, unless that is more than a few bindings."""


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
        """Return the part about resources, or about paths, as it stands in the answer of a SelfSubjectRulesReview."""
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
    names: frozenset[tuple[str, str]] = field(init=False, compare=False, repr=False)
    """Whom it names: ("User", name) and ("Group", name); a ServiceAccount by its user name."""

    def __post_init__(self) -> None:
        """Find out whom it names."""
        named = frozenset(name for subject in self.subjects if (name := _named(subject, self.namespace)))
        object.__setattr__(self, "names", named)

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

    @property
    def role(self) -> tuple[str, str]:
        """The key of its role in a Policy: namespace, empty for a ClusterRole, and name."""
        return ("" if self.role_kind == "ClusterRole" else self.namespace), self.role_name

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
                if namespace and user.name == f"{_SERVICE_ACCOUNT_PREFIX}{namespace}:{name}":
                    return f'ServiceAccount "{name}/{namespace}"'
        return ""


def _named(subject: JsonObject, namespace: str) -> tuple[str, str] | None:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        namespace = str(subject.get("namespace") or namespace)
        return ("User", f"{_SERVICE_ACCOUNT_PREFIX}{namespace}:{name}") if namespace else None
    return (kind, name) if kind in ("User", "Group") and isinstance(name, str) else None


class NamedIn:
    """Which of some bindings name somebody: found by name, for every request asks and there may be thousands."""

    def __init__(self, bindings: Sequence[Binding] = ()) -> None:
        """Begin with these."""
        self._bindings: list[Binding] = []
        self._places: dict[tuple[str, str], list[int]] = {}
        for binding in bindings:
            self.add(binding)

    def add(self, binding: Binding) -> None:
        """Put one behind the others."""
        place = len(self._bindings)
        self._bindings.append(binding)
        for name in binding.names:
            self._places.setdefault(name, []).append(place)

    def naming(self, user: UserInfo) -> Iterator[Binding]:
        """Yield those that name the user or one of his groups, in their order."""
        places = set(self._places.get(("User", user.name), ()))
        for group in user.groups:
            places.update(self._places.get(("Group", group), ()))
        return (self._bindings[place] for place in sorted(places))


Grant = tuple[Binding, str, tuple[PolicyRule, ...]]
"""A binding, how it names somebody, and the rules that come with it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All roles and bindings at one moment. Roles are keyed by (namespace, name), cluster roles by ("", name).

    `named` has the bindings of each namespace by whom they name, the cluster bindings under ""; whoever has very many
    puts it together in turns, and else it is made of the bindings here.
    """

    roles: Mapping[tuple[str, str], tuple[PolicyRule, ...]] = field(default_factory=dict)
    cluster_bindings: Sequence[Binding] = ()
    bindings: Mapping[str, Sequence[Binding]] = field(default_factory=dict)
    named: Mapping[str, NamedIn] = field(default_factory=dict, compare=False, repr=False)
    _granted: dict[tuple[str, tuple[str, ...], str], Sequence[Grant]] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )
    """By user, groups and namespace, where they are few: the same ask again and again, and nothing here changes."""

    def __post_init__(self) -> None:
        """Find out whom the bindings name, unless that is given."""
        if not self.named:
            listed = {"": self.cluster_bindings, **self.bindings}
            object.__setattr__(self, "named", {place: NamedIn(bindings) for place, bindings in listed.items()})

    def has_role(self, binding: Binding) -> bool:
        """Whether the role that a binding refers to exists."""
        return binding.role in self.roles

    def rules_of(self, binding: Binding) -> tuple[PolicyRule, ...]:
        """Return the rules a binding grants; a role that does not exist grants nothing."""
        return self.roles.get(binding.role, ())

    def grants(self, user: UserInfo, namespace: str) -> Iterable[Grant]:
        """Return every binding that names the user in this namespace, how, and the rules that come with it."""
        asked = user.name, user.groups, namespace
        if (known := self._granted.get(asked)) is not None:
            return known
        places = ("", namespace) if namespace else ("",)
        bindings = [binding for place in places if place in self.named for binding in self.named[place].naming(user)]
        grants = ((binding, binding.subject_for(user), self.rules_of(binding)) for binding in bindings)
        if len(bindings) > _FEW:
            return grants
        if len(self._granted) >= _REMEMBERED:
            self._granted.clear()
        found = self._granted[asked] = tuple(grants)
        return found


def authorize(policy: Policy, attributes: Attributes) -> Decision:
    """Decide by RBAC: allowed with the binding as the reason, or no opinion."""
    for binding, subject, rules in policy.grants(attributes.user, attributes.namespace):
        for rule in rules:
            if rule.allows(attributes):
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
    """Return the rules of cluster roles; those with an aggregationRule have the rules of the roles it selects.

    What is selected may be aggregated itself; roles that select each other in a ring have the rules of all of them.
    """
    roles = {meta.name(role): role for role in cluster_roles}
    labels = {name: meta.labels(role) for name, role in roles.items()}
    selected = {
        name: [
            other for other in roles if other != name and any(selector.matches(labels[other]) for selector in selectors)
        ]
        for name, role in roles.items()
        if (selectors := _selectors(role)) is not None
    }
    return {("", name): _gathered(name, roles, selected) for name in roles}


def _gathered(
    name: str, roles: Mapping[str, JsonObject], selected: Mapping[str, Sequence[str]]
) -> tuple[PolicyRule, ...]:
    rules: dict[PolicyRule, None] = {}
    seen, waiting = {name}, [name]
    while waiting:
        current = waiting.pop(0)
        if current in selected:
            found = [other for other in selected[current] if other not in seen]
            seen.update(found)
            waiting += found
        else:
            rules.update(dict.fromkeys(role_rules(roles[current])))
    return tuple(rules)


def _selectors(role: JsonObject) -> list[LabelSelector] | None:
    """Return the label selectors of an aggregated role, None for any other; one that cannot be read selects nothing."""
    listed = meta.field(role, "aggregationRule", "clusterRoleSelectors")
    if not isinstance(listed, list) or not listed:
        return None
    selectors = []
    for selector in listed:
        try:
            selectors.append(read_label_selector(selector))
        except ValueError:
            logger.warning("ClusterRole %s: a selector of its aggregationRule cannot be read", meta.name(role))
    return selectors


def role_rules(role: JsonObject) -> tuple[PolicyRule, ...]:
    """Return the rules of a role as they stand in it; what is no rule is left out."""
    rules = role.get("rules")
    listed = rules if isinstance(rules, list) else []
    return tuple(PolicyRule.from_object(rule) for rule in listed if isinstance(rule, dict))


def _strings(rule: JsonObject, name: str) -> tuple[str, ...]:
    value = rule.get(name)
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def _has(allowed: tuple[str, ...], wanted: str) -> bool:
    return ALL in allowed or wanted in allowed


def _url_matches(pattern: str, path: str) -> bool:
    return pattern in (ALL, path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))
