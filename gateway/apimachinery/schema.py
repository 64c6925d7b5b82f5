"""Names of API types: group, version, resource and kind as frozen values.

The floor of all packages: pure, imports nothing of ours.
"""

from __future__ import annotations

import re

import msgspec

_VERSION = re.compile(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?")
_STABILITY = {None: 2, "beta": 1, "alpha": 0}


class GroupResource(msgspec.Struct, frozen=True, order=True, gc=False):
    """A resource (plural name) of an API group; the core group is the empty string."""

    group: str
    resource: str

    def __str__(self) -> str:
        """Return `deployments.apps`, or `pods` for the core group: the form error messages and RBAC use."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


class GroupVersion(msgspec.Struct, frozen=True, order=True, gc=False):
    """An API group at one version."""

    group: str
    version: str

    @classmethod
    def parse(cls, api_version: str) -> GroupVersion:
        """Read an `apiVersion` field: `v1` or `apps/v1`. Raises ValueError on more than one slash."""
        group, slash, version = api_version.partition("/")
        if not slash:
            return cls("", group)
        if "/" in version:
            raise ValueError(f"unexpected GroupVersion string: {api_version}")
        return cls(group, version)

    @property
    def api_version(self) -> str:
        """The `apiVersion` field of objects of this group and version."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """The URL prefix under which the group and version is served, without a trailing slash."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def resource(self, resource: str) -> GroupVersionResource:
        """Return the named resource of this group and version."""
        return GroupVersionResource(self.group, self.version, resource)

    def kind(self, kind: str) -> GroupVersionKind:
        """Return the named kind of this group and version."""
        return GroupVersionKind(self.group, self.version, kind)


class GroupVersionResource(msgspec.Struct, frozen=True, order=True, gc=False):
    """A resource (plural, as in URLs) of a group and version."""

    group: str
    version: str
    resource: str

    @property
    def group_version(self) -> GroupVersion:
        """The group and version alone."""
        return GroupVersion(self.group, self.version)

    @property
    def group_resource(self) -> GroupResource:
        """The group and resource alone."""
        return GroupResource(self.group, self.resource)


class GroupVersionKind(msgspec.Struct, frozen=True, order=True, gc=False):
    """A kind (as in the `kind` field) of a group and version."""

    group: str
    version: str
    kind: str

    @property
    def group_version(self) -> GroupVersion:
        """The group and version alone."""
        return GroupVersion(self.group, self.version)

    @property
    def api_version(self) -> str:
        """The `apiVersion` field of objects of this kind."""
        return self.group_version.api_version

    def __str__(self) -> str:
        """Return `apps/v1, Kind=Deployment` or `/v1, Kind=Pod`, as error messages of Kubernetes print it."""
        return f"{self.group}/{self.version}, Kind={self.kind}"


def version_priority(version: str) -> tuple[bool, int, int, int, str]:
    """Sort key of a group's versions, the preferred one first: v2, v1, v1beta2, v1alpha1, then other names by letter.

    The rule by which Kubernetes orders the versions of a custom resource (apimachinery `version/helpers.go`).
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return True, 0, 0, 0, version
    major, stability, minor = match.groups()
    return False, -_STABILITY[stability], -int(major), -int(minor or 0), ""
