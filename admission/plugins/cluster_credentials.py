"""Whoever says where a member cluster is must be allowed to read the Secrets with the credentials for it.

The gateway (as Karmada) reads the Secrets that a Cluster object names with its own right and sends what is in them to
the address in the object. Without this rule, the right to write Clusters would be the right to read those Secrets.
Judged is the Cluster as the write leaves it, whenever anything about the way to the member differs from before.
"""

from __future__ import annotations

from typing import Any, Final

from admission.attributes import Attributes
from admission.lookup import ObjectLookup
from admission.plugin import Verdict
from admission.rights import CallerRights
from gateway.apimachinery import meta
from gateway.apimachinery.json_syntax import quote
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

CREDENTIALS_RULE = "ClusterCredentials"

CLUSTERS = GroupResource("cluster.karmada.io", "clusters")
SECRETS = GroupVersionResource("", "v1", "secrets")

_REFERENCES = ("secretRef", "impersonatorSecretRef")
_DESCRIPTIVE = frozenset({"id", "provider", "region", "zone", "zones", "taints", "resourceModels"})
"""Fields of the spec that say nothing about how the member is reached. Any other, known or not, counts."""
_ANNOTATION = "fleetgate.io/tls-server-name"
"""The name expected in the certificate (gateway/clusters/cluster.py): it decides who is taken for the member."""


class ClusterCredentials:
    """The plugin. Without state."""

    name: Final = "ClusterCredentials"

    def __init__(self, rights: CallerRights) -> None:
        self._rights = rights

    def handles(self, attributes: Attributes) -> bool:
        """Whether a Cluster is written; the status too, for not every store keeps a spec out of it."""
        return attributes.resource.group_resource == CLUSTERS and attributes.verb in {"create", "update", "patch"}

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Ask for the caller's right to each Secret, unless the way to the member stays what it was."""
        old = None if attributes.verb == "create" else await lookup.old()
        new = await lookup.new()
        if old is not None and _way(old) == _way(new):
            return Verdict.allow()
        for field in _REFERENCES:
            reference = _spec(new).get(field)
            if not reference:
                continue
            key = _secret(reference)
            if key is None:
                return Verdict.deny(CREDENTIALS_RULE, f"spec.{field} names no Secret: give its namespace and name")
            if not await self._rights.may(attributes.user, "get", SECRETS, key):
                return Verdict.deny(CREDENTIALS_RULE, _missing(attributes.user.name, field, key))
        return Verdict.allow()


def _spec(obj: JsonObject) -> dict[str, Any]:
    spec = obj.get("spec")
    return spec if isinstance(spec, dict) else {}


def _way(obj: JsonObject) -> tuple[object, ...]:
    """Return everything that says how the member is reached, and as whom."""
    fields = {name: value for name, value in _spec(obj).items() if name not in _DESCRIPTIVE}
    return fields, meta.annotations(obj).get(_ANNOTATION, "")


def _secret(reference: object) -> ObjectKey | None:
    if not isinstance(reference, dict):
        return None
    namespace, name = reference.get("namespace"), reference.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    return ObjectKey(namespace, name)


def _missing(user: str, field: str, key: ObjectKey) -> str:
    return (
        f'User {quote(user)} cannot get resource "secrets" named {quote(key.name)} in the namespace '
        f"{quote(key.namespace)}, which spec.{field} names: what is in it is sent to the address of the cluster, so "
        "that a Cluster is only written by who may get its Secrets"
    )
