"""What metadata.ownerReferences means for deletion: whom the garbage collector takes along with whom. Pure.

After kube-controller-manager's garbage collector: an object goes when none of its owners is left. Where that is not
certain from what is known here, an object counts as going.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from admission.attributes import Attributes
from gateway.apimachinery.meta import (
    JsonObject,
    deletion_timestamp,
    field,
    finalizers,
    name,
    namespace,
    owner_references,
    uid,
)
from gateway.apimachinery.schema import GroupResource, GroupVersionResource

Content = tuple[GroupResource, JsonObject]
Identity = tuple[str, str, str, str]

PODS = GroupResource("", "pods")
CLAIMS = GroupResource("", "persistentvolumeclaims")
EVENTS = frozenset({GroupResource("", "events"), GroupResource("events.k8s.io", "events")})
DEFINITIONS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")

ORPHANED_BY_DEFAULT = frozenset(
    {GroupVersionResource("batch", "v1", "jobs"), GroupVersionResource("", "v1", "replicationcontrollers")}
)
"""Resources whose dependents stay when a deletion says nothing of them (`DefaultGarbageCollectionPolicy`)."""

READ_METADATA = ("name", "namespace", "uid", "labels", "ownerReferences", "deletionTimestamp")
"""The fields of metadata that are read here and by what judges the result."""

_ORPHAN = "orphan"
_FOREGROUND = "foregroundDeletion"


def owner_identities(obj: JsonObject) -> frozenset[Identity]:
    """Return who the owners are. A reference with another kind or name but the same uid names nobody who exists."""
    return frozenset(_identity(owner) for owner in owner_references(obj))


def may_lose_its_owners(old: JsonObject, new: JsonObject) -> bool:
    """Whether a write that makes `new` of `old` could get the object collected.

    An object without owners never is. Any other change might be: of two owners the one that is left may be gone.
    """
    after = owner_identities(new)
    return bool(after) and after != owner_identities(old)


def orphans_dependents(attributes: Attributes, obj: JsonObject) -> bool:
    """Whether a deletion leaves the object's dependents alone (k8s.io/apiserver `shouldOrphanDependents`)."""
    if attributes.resource.group_resource == DEFINITIONS:
        return False  # kube-apiserver does not look at the policy there
    if attributes.orphan_dependents is not None:
        return attributes.orphan_dependents
    if attributes.propagation_policy:
        return attributes.propagation_policy == "Orphan"
    for finalizer in finalizers(obj):
        if finalizer in {_ORPHAN, _FOREGROUND}:
            return finalizer == _ORPHAN
    return attributes.resource in ORPHANED_BY_DEFAULT


def waits_to_orphan(obj: JsonObject) -> bool:
    """Whether the object is being deleted and its dependents were to stay: a second deletion can still change that."""
    return bool(deletion_timestamp(obj)) and _ORPHAN in finalizers(obj)


def dependent_kinds(resource: GroupResource, obj: JsonObject) -> frozenset[GroupResource] | None:
    """Return the kinds an object owns anything of, as far as it pays to look; None for every kind.

    Pods are deleted all day. What Kubernetes itself lets them own are claims: those of generic ephemeral volumes, and
    those that a StatefulSet leaves to a Pod it takes away. Events own nothing.
    """
    if resource in EVENTS:
        return frozenset()
    if resource != PODS:
        return None
    volumes = field(obj, "spec", "volumes")
    known = isinstance(volumes, list) or isinstance(field(obj, "spec"), dict)
    if known and not any(_holds_claim(volume) for volume in volumes or ()):
        return frozenset()
    return frozenset({CLAIMS})


class CollectedObjects:
    """What goes when some owners go: their dependents, those of them, and so on."""

    def __init__(self, owners: Iterable[str], contents: Sequence[Content]) -> None:
        """Find it out.

        Args:
            owners: the uids of what is deleted.
            contents: what there is. An owner that is not among it counts as gone.
        """
        self._dependents: defaultdict[str, list[Content]] = defaultdict(list)
        self._living: dict[str, Content] = {}
        for content in contents:
            obj = content[1]
            if uid(obj) and not deletion_timestamp(obj):
                self._living[uid(obj)] = content
            for owner in {str(reference.get("uid")) for reference in owner_references(obj)}:
                self._dependents[owner].append(content)
        self._gone = set(owners)
        self._follow(set(self._gone))

    def along_with(self, owners: Iterable[str]) -> list[Content]:
        """Return what goes along with some of the owners, each once."""
        found: dict[str, Content] = {}
        pending = list(owners)
        while pending:
            for content in self._dependents.get(pending.pop(), ()):
                identity = uid(content[1])
                if identity in self._gone and identity not in found:
                    found[identity] = content
                    pending.append(identity)
        return list(found.values())

    def _follow(self, pending: set[str]) -> None:
        while pending:
            for content in self._dependents.get(pending.pop(), ()):
                identity = uid(content[1])
                if identity not in self._gone and not self._is_kept(content[1]):
                    self._gone.add(identity)
                    pending.add(identity)

    def _is_kept(self, obj: JsonObject) -> bool:
        return any(self._exists(owner, namespace(obj)) for owner in owner_references(obj))

    def _exists(self, reference: JsonObject, dependents_namespace: str) -> bool:
        """Whether a reference names an object that is there and stays."""
        identity = str(reference.get("uid"))
        if identity in self._gone or identity not in self._living:
            return False
        resource, obj = self._living[identity]
        named = (resource.group, str(obj.get("kind")), name(obj), identity)
        if _identity(reference, with_version=False) != named:
            return False
        return namespace(obj) in {"", dependents_namespace}


def _identity(reference: JsonObject, *, with_version: bool = True) -> Identity:
    version = str(reference.get("apiVersion"))
    if not with_version:
        version = version.rpartition("/")[0]
    return version, str(reference.get("kind")), str(reference.get("name")), str(reference.get("uid"))


def _holds_claim(volume: Any) -> bool:
    return not isinstance(volume, dict) or "ephemeral" in volume or "persistentVolumeClaim" in volume
