"""Which members there should be, and how they differ from those there are: values and decisions, no I/O.

registry.py acts on what is decided here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import SECRET_NAMESPACE, Cluster, name_problem, parse_cluster, secret_problem
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.health import ClusterHealth
from gateway.clusters.kubeconfig import Kubeconfig, KubeconfigError, member_contexts
from gateway.clusters.upstream import Upstream


class Origin(StrEnum):
    """Where a member is declared."""

    STORE = "store"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Declaration:
    """A member as it is declared: by a Cluster object, or by a context of a kubeconfig file.

    `problem` says why it cannot be used, empty when it can. `revision` changes whenever the declaration does, so that a
    member whose endpoint stayed gets its credentials read again.
    """

    name: str
    origin: Origin
    endpoint: Endpoint | None = None
    cluster: Cluster | None = None
    kubeconfig: Path | None = None
    context: str = ""
    problem: str = ""
    revision: str = ""

    def same_upstream(self, other: Declaration) -> bool:
        """Whether one Upstream serves both: only credentials may differ, which it replaces by itself."""
        return (
            self.endpoint == other.endpoint
            and self._identity == other._identity
            and (self.origin, self.kubeconfig, self.context) == (other.origin, other.kubeconfig, other.context)
        )

    @property
    def _identity(self) -> tuple[object, ...]:
        if self.cluster is None:
            return ()
        cluster = self.cluster
        return (cluster.secret, cluster.impersonator_secret, cluster.full_impersonation, cluster.sync_mode)


@dataclass(frozen=True, slots=True)
class Member:
    """A member as it is now. `upstream` is None while its declaration cannot be used; `health.message` says why."""

    name: str
    origin: Origin
    upstream: Upstream | None
    health: ClusterHealth
    cluster: Cluster | None = None


class ChangeKind(StrEnum):
    """What happened to a member."""

    ADDED = "added"
    REPLACED = "replaced"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """A change of membership; `upstream` is None for one that left. REPLACED means another endpoint or identity."""

    kind: ChangeKind
    name: str
    upstream: Upstream | None = None


def declare_cluster(obj: JsonObject, secret_namespaces: Collection[str] = (SECRET_NAMESPACE,)) -> Declaration:
    """Return the declaration a Cluster object makes; one that cannot be used carries its problem.

    One whose credentials stand in other namespaces than `secret_namespaces` cannot be used: they are never read.
    """
    name = meta.name(obj)
    # All but the status, which we write ourselves: our own writes must not look like a change.
    declared = (obj.get("spec"), meta.labels(obj), meta.annotations(obj))
    revision = json.dumps(declared, sort_keys=True, default=str)
    try:
        cluster = parse_cluster(obj)
    except ValueError as error:
        return Declaration(name, Origin.STORE, problem=str(error), revision=revision)
    if problem := secret_problem(cluster, secret_namespaces):
        return Declaration(name, Origin.STORE, problem=problem, revision=revision)
    return Declaration(name, Origin.STORE, endpoint=cluster.endpoint, cluster=cluster, revision=revision)


def declare_contexts(kubeconfig: Kubeconfig, wanted: Iterable[str], revision: str) -> list[Declaration]:
    """Return the declarations of a kubeconfig file: each context is a member of that name. Raises KubeconfigError."""
    declarations = []
    for name in member_contexts(kubeconfig, tuple(wanted)):
        if problem := name_problem(name):
            raise KubeconfigError(f"kubeconfig {kubeconfig.path}: {problem}; rename the context")
        kubeconfig.credentials(name)  # what cannot be used is refused now, not at the first request
        declarations.append(
            Declaration(
                name,
                Origin.FILE,
                endpoint=kubeconfig.endpoint(name),
                kubeconfig=kubeconfig.path,
                context=name,
                revision=revision,
            )
        )
    return declarations


@dataclass(frozen=True, slots=True)
class Difference:
    """What turns the members there are into those declared."""

    removed: tuple[str, ...]
    opened: tuple[Declaration, ...]
    """New, or to be reached in another way."""
    renewed: tuple[Declaration, ...]
    """Declared anew with the same way to reach them: their credentials may have changed."""


def merge_declarations(file: Mapping[str, Declaration], store: Mapping[str, Declaration]) -> dict[str, Declaration]:
    """Return the declarations of both places; a name that is in the file means what the file says."""
    return {**store, **file}


def difference(current: Mapping[str, Declaration], wanted: Mapping[str, Declaration]) -> Difference:
    """Compare the members there are with those that should be."""
    opened, renewed = [], []
    for name, declaration in wanted.items():
        known = current.get(name)
        if known is None or not known.same_upstream(declaration) or known.problem != declaration.problem:
            opened.append(declaration)
        elif known.revision != declaration.revision:
            renewed.append(declaration)
    removed = tuple(name for name in current if name not in wanted)
    return Difference(removed, tuple(opened), tuple(renewed))
