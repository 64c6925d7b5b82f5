"""Nobody grants what he does not hold: the check before roles and their bindings are written. Pure.

Follows k8s.io/kubernetes `pkg/registry/rbac/*/policybased` and component-helpers `auth/rbac/validation`: the verbs
`escalate` and `bind` lift it. What an object was before matters for two things only: a change that merely lets the
garbage collector finish is free, and an aggregated role stays one that only a cluster-admin may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, forbidden, not_found
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource
from gateway.authorization.authorizer import Attributes
from gateway.authorization.rbac import ALL, Binding, Policy, PolicyRule, authorize, role_rules, visible_rules
from gateway.request import UserInfo

GROUP = "rbac.authorization.k8s.io"
ROLES = frozenset({"roles", "clusterroles"})
BINDINGS = frozenset({"rolebindings", "clusterrolebindings"})

_EVERYTHING = (
    PolicyRule(verbs=(ALL,), api_groups=(ALL,), resources=(ALL,)),
    PolicyRule(verbs=(ALL,), non_resource_urls=(ALL,)),
)
_FREE_METADATA = frozenset({"ownerReferences", "finalizers", "managedFields", "resourceVersion"})


@dataclass(frozen=True, slots=True)
class RbacWrite:
    """A role or binding about to be written: by whom, under which name, and what it was before (None: nothing)."""

    user: UserInfo
    resource: str
    namespace: str
    name: str
    new: JsonObject
    old: JsonObject | None

    def refusal(self, message: str) -> ApiError:
        """Return the 403."""
        return forbidden(GroupResource(GROUP, self.resource), self.name, message)


def check_escalation(policy: Policy, write: RbacWrite) -> None:
    """Raises ApiError 403 when the write would grant what its user does not hold, 404 for a binding to no role."""
    if write.old is not None and _only_frees(write.new, write.old):
        return
    if write.resource in ROLES:
        _check_role(policy, write)
    else:
        _check_binding(policy, write)


def _check_role(policy: Policy, write: RbacWrite) -> None:
    if _may(policy, write, "escalate", write.resource, write.name):
        return
    _check_held(policy, write, role_rules(write.new))
    aggregated = any(_aggregates(obj) for obj in (write.new, write.old) if obj is not None)
    if aggregated and _missing(visible_rules(policy, write.user, write.namespace), _EVERYTHING):
        raise write.refusal("must have cluster-admin privileges to use the aggregationRule")


def _check_binding(policy: Policy, write: RbacWrite) -> None:
    binding = replace(Binding.from_object(write.new), namespace=write.namespace)
    resource = {"ClusterRole": "clusterroles", "Role": "roles"}.get(binding.role_kind)
    if resource is None:
        return  # validation refuses it
    if _may(policy, write, "bind", resource, binding.role_name):
        return
    if not policy.has_role(binding):
        raise not_found(GroupResource(GROUP, write.resource), binding.role_name)
    _check_held(policy, write, policy.rules_of(binding))


def _may(policy: Policy, write: RbacWrite, verb: str, resource: str, name: str) -> bool:
    attributes = Attributes(
        write.user, verb, api_group=GROUP, api_version=ALL, namespace=write.namespace, resource=resource, name=name
    )
    return authorize(policy, attributes).allowed


def _check_held(policy: Policy, write: RbacWrite, rules: Iterable[PolicyRule]) -> None:
    missing = _missing(visible_rules(policy, write.user, write.namespace), rules)
    if missing:
        listed = "\n".join(sorted({_description(rule) for rule in _compacted(missing)}))
        user, groups = quote(write.user.name), _quoted(write.user.groups)
        who = f"user {user} (groups={groups})"
        raise write.refusal(f"{who} is attempting to grant RBAC permissions not currently held:\n{listed}")


def _only_frees(new: JsonObject, old: JsonObject) -> bool:
    """Whether nothing changes but what the garbage collector waits for."""
    return _content(new) == _content(old)


def _content(obj: JsonObject) -> JsonObject:
    metadata = {name: value for name, value in meta.metadata(obj).items() if name not in _FREE_METADATA}
    return {**obj, "metadata": metadata}


def _aggregates(role: JsonObject) -> bool:
    return bool(meta.field(role, "aggregationRule", "clusterRoleSelectors"))


def _missing(held: Sequence[PolicyRule], wanted: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Return what of the wanted rules no held rule covers, each broken down to one verb on one thing."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(owned, part) for owned in held)]


def _parts(rule: PolicyRule) -> Iterator[PolicyRule]:
    names: list[tuple[str, ...]] = [(name,) for name in rule.resource_names] or [()]
    for group, resource, verb, name in product(rule.api_groups, rule.resources, rule.verbs, names):
        yield PolicyRule((verb,), (group,), (resource,), name)
    for url, verb in product(rule.non_resource_urls, rule.verbs):
        yield PolicyRule((verb,), non_resource_urls=(url,))


def _covers(owned: PolicyRule, part: PolicyRule) -> bool:
    """Whether a rule allows all that a single part of another one would."""
    return (
        _has_all(owned.verbs, part.verbs)
        and _has_all(owned.api_groups, part.api_groups)
        and all(_covers_resource(owned.resources, resource) for resource in part.resources)
        and _covers_names(owned.resource_names, part.resource_names)
        and all(any(_covers_url(mine, url) for mine in owned.non_resource_urls) for url in part.non_resource_urls)
    )


def _covers_names(owned: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """No names at all mean every name."""
    return not owned or (bool(names) and set(names) <= set(owned))


def _has_all(owned: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return ALL in owned or set(wanted) <= set(owned)


def _covers_resource(owned: tuple[str, ...], resource: str) -> bool:
    if ALL in owned or resource in owned:
        return True
    _, slash, subresource = resource.partition("/")
    return bool(slash) and f"*/{subresource}" in owned


def _covers_url(owned: str, url: str) -> bool:
    return owned == url or (owned.endswith("*") and url.startswith(owned.rstrip("*")))


def _compacted(parts: Iterable[PolicyRule]) -> list[PolicyRule]:
    """Join the verbs of parts that are about the same resource."""
    joined: dict[PolicyRule, tuple[str, ...]] = {}
    urls = []
    for part in parts:
        if part.non_resource_urls:
            urls.append(part)
        else:
            about = replace(part, verbs=())
            joined[about] = (*joined.get(about, ()), *part.verbs)
    return [*urls, *(replace(about, verbs=verbs) for about, verbs in joined.items())]


def _description(rule: PolicyRule) -> str:
    shown = {
        "APIGroups": rule.api_groups,
        "Resources": rule.resources,
        "NonResourceURLs": rule.non_resource_urls,
        "ResourceNames": rule.resource_names,
        "Verbs": rule.verbs,
    }
    return "{" + ", ".join(f"{title}:{_quoted(values)}" for title, values in shown.items() if values) + "}"


def _quoted(texts: Iterable[str]) -> str:
    return "[" + " ".join(map(quote, texts)) + "]"
