"""Which resources are served at all, by the patterns of the configuration. Pure.

The one rule behind discovery, OpenAPI and dispatch: what is not permitted here is neither listed nor reachable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.apimachinery.schema import GroupResource

_ANY = "*"
_PATTERN = re.compile(r"(\*|[a-z][a-z0-9-]*)(\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?")


class AllowList:
    """Patterns of resources: `pods`, `deployments.apps`, `*.apps` for a whole group, `*` for everything.

    A name without a group means the core group, as in RBAC and error messages. Denying wins over allowing.

    Raises:
        ValueError: a pattern that cannot name a resource; the text says which and what to write.
    """

    def __init__(self, allow: Iterable[str] = (_ANY,), deny: Iterable[str] = ()) -> None:
        self._allow = frozenset(map(_checked, allow))
        self._deny = frozenset(map(_checked, deny))

    def permits(self, resource: GroupResource) -> bool:
        """Whether the resource is served, its subresources with it."""
        patterns = {_ANY, str(resource), f"{_ANY}.{resource.group}"}
        return not patterns.isdisjoint(self._allow) and patterns.isdisjoint(self._deny)

    def permits_some_of(self, group: str) -> bool:
        """Whether a resource of the group that nobody has named yet could be served."""
        if not self._deny.isdisjoint({_ANY, f"{_ANY}.{group}"}):
            return False
        return any(pattern == _ANY or pattern.partition(".")[2] == group for pattern in self._allow)


def _checked(pattern: str) -> str:
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} names no resource: write the plural and the group, for example pods, deployments.apps, "
            "*.apps, or * for everything"
        )
    return pattern
