"""Resources as people name them in the configuration, and what they mean at a server that has them. Pure.

The forms are kubectl's (`schema.ParseResourceArg`): `nodes`, `jobs.batch`, `jobs.v1.batch`. What lies between the first
and the second dot may be a version or the beginning of the group; the server knows which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.apimachinery.schema import GroupResource
from gateway.discovery.surface import ApiGroup, ApiResource

_FORM = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?")
_FOLLOWED = frozenset({"list", "watch"})

_OWN_GROUPS = frozenset({
    "apidiscovery.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "cluster.karmada.io",
    "rbac.authorization.k8s.io",
})  # fmt: skip
_OWN_RESOURCES = frozenset({
    GroupResource("", "namespaces"),
    GroupResource("apiextensions.k8s.io", "customresourcedefinitions"),
    GroupResource("apiregistration.k8s.io", "apiservices"),
})  # fmt: skip
"""What decides about rights, members and kinds of the federation store: those of the store are meant, always."""


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A resource by its plural name, with or without a version.

    `readings` are what the text may mean: group, version (empty for the server's preferred one) and resource.
    """

    text: str
    readings: tuple[tuple[str, str, str], ...]

    @property
    def group_resources(self) -> frozenset[GroupResource]:
        """Every resource that may be meant, whatever the version."""
        return frozenset(GroupResource(group, resource) for group, _, resource in self.readings)

    def find(self, groups: Iterable[ApiGroup]) -> ApiResource | None:
        """Return what it means at a server with these groups: the first reading that can be listed and watched."""
        known = {group.name: group for group in groups}
        for group, version, resource in self.readings:
            if group in known and (found := _find(known[group], version, resource)) is not None:
                return found
        return None


def _find(group: ApiGroup, wanted: str, resource: str) -> ApiResource | None:
    for version in group.versions:
        if wanted in {"", version.version}:
            for entry in version.resources:
                if entry.gvr.resource == resource and set(entry.verbs) >= _FOLLOWED:
                    return entry
    return None


def parse_resource_name(text: str) -> ResourceName:
    """Read a name. Raises ValueError for what cannot name a resource, or must not be taken from members."""
    if not _FORM.fullmatch(text) or text.endswith(".."):
        raise ValueError(
            f"{text!r} names no resource: write the plural and the group, for example nodes, jobs.batch, or with a "
            "version jobs.v1.batch"
        )
    resource, _, rest = text.partition(".")
    version, dot, group = rest.partition(".")
    readings = [(group, version, resource)] if dot else []
    if not text.endswith("."):
        readings.append((rest, "", resource))
    name = ResourceName(text, tuple(readings))
    for meant in name.group_resources:
        if meant.group in _OWN_GROUPS or meant in _OWN_RESOURCES:
            raise ValueError(f"{text!r} cannot be taken from members: what counts here is the federation store's own")
    return name


def parse_resource_names(texts: Iterable[str]) -> Sequence[ResourceName]:
    """Read names. Raises ValueError as `parse_resource_name` does, and for one that is given twice."""
    names: list[ResourceName] = []
    for text in texts:
        name = parse_resource_name(text)
        if any(name.group_resources & other.group_resources for other in names):
            raise ValueError(f"{text!r} is given twice")
        names.append(name)
    return tuple(names)
