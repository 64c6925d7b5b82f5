"""What a Deployment needs next: a ReplicaSet, other replica counts, old ones removed, and its status. Pure.

After k8s.io/kubernetes `pkg/controller/deployment` (sync.go); the numbers of an update are in rollout.py, the status in
deployment_status.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.deployment_status import count, deployment_status
from gateway.simulation.member.replica_sets import controller_reference
from gateway.simulation.member.rollout import (
    Replicas,
    RolloutLimits,
    limits,
    next_new_replicas,
    next_old_replicas,
    recreates,
)

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"

_NOT_INHERITED = frozenset({REVISION, "kubectl.kubernetes.io/last-applied-configuration"})
_HASH_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH = 10
_DEFAULT_HISTORY = 10


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What to do for a Deployment.

    Attributes:
        status: the status to write.
        create: a ReplicaSet to create.
        scale: new replica counts of ReplicaSets by name.
        delete: ReplicaSets beyond the history limit.
        newest: the ReplicaSet of the present template, "" while there is none.
        revision: what the newest ReplicaSet and the Deployment are to carry as their revision.
        recheck: seconds until the deadline for progress must be looked at; None when there is none to keep.
    """

    status: JsonObject
    create: JsonObject | None = None
    scale: Mapping[str, int] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    newest: str = ""
    revision: str = ""
    recheck: float | None = None


def plan_deployment(deployment: JsonObject, replica_sets: Sequence[JsonObject], now: float) -> DeploymentPlan:
    """Decide for one Deployment and the ReplicaSets it owns."""
    ordered = sorted(replica_sets, key=lambda each: (str(each["metadata"].get("creationTimestamp")), meta.name(each)))
    newest = find_newest(deployment, ordered)
    older = [each for each in ordered if each is not newest]
    bounds = limits(deployment)
    create: JsonObject | None = None
    scale: Mapping[str, int] = {}
    if deployment["spec"].get("paused"):
        scale = _scale_paused(bounds, ordered)
    elif newest is None and not (recreates(deployment) and any(map(_is_in_use, older))):
        create = new_replica_set(deployment, older, _next(deployment, bounds, Replicas("", 0), older))
    else:
        scale = _scale(deployment, bounds, newest, older)
    status = deployment_status(deployment, ordered, newest or create, bounds, now)
    return DeploymentPlan(
        status=status.status,
        create=create,
        scale=scale,
        delete=_beyond_history(deployment, older),
        newest=meta.name(newest) if newest is not None else "",
        revision=_revision(newest, older),
        recheck=status.recheck,
    )


def find_newest(deployment: JsonObject, replica_sets: Sequence[JsonObject]) -> JsonObject | None:
    """Return the ReplicaSet of the Deployment's present template, the oldest where several have it."""
    wanted = _template_content(deployment)
    return next((each for each in replica_sets if _template_content(each) == wanted), None)


def _template_content(obj: JsonObject) -> JsonObject:
    template = obj["spec"]["template"]
    labels = {key: value for key, value in meta.labels(template).items() if key != HASH_LABEL}
    return {**template, "metadata": {**_template_metadata(template), "labels": labels}}


def _template_metadata(template: JsonObject) -> JsonObject:
    return {key: value for key, value in meta.metadata(template).items() if key != "creationTimestamp"}


def template_hash(template: JsonObject, collisions: int = 0) -> str:
    """Return the short name of a template, in the letters that Kubernetes uses for made-up names.

    `collisions` is how many of its names turned out to be somebody else's.
    """
    content = msgspec.json.encode([template, collisions], order="deterministic")
    return "".join(
        _HASH_ALPHABET[byte % len(_HASH_ALPHABET)] for byte in hashlib.sha256(content).digest()[:_HASH_LENGTH]
    )


def new_replica_set(deployment: JsonObject, older: Sequence[JsonObject], replicas: int) -> JsonObject:
    """Return the ReplicaSet for the Deployment's present template."""
    spec = deployment["spec"]
    template, selector = spec["template"], spec["selector"]
    short = template_hash(template, count(deployment, "status", "collisionCount"))
    labels = {**meta.labels(template), HASH_LABEL: short}
    annotations = {key: text for key, text in meta.annotations(deployment).items() if key not in _NOT_INHERITED}
    return {
        "kind": "ReplicaSet",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{meta.name(deployment)}-{short}",
            "labels": labels,
            "annotations": {**annotations, REVISION: _revision(None, older)},
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: short}},
            "template": {**template, "metadata": {**_template_metadata(template), "labels": labels}},
        },
    }


def _revision(newest: JsonObject | None, older: Sequence[JsonObject]) -> str:
    """Return the newest ReplicaSet's revision: above all older ones, so that a rollback is a new revision."""
    highest = max(map(_revision_of, older), default=0)
    own = _revision_of(newest) if newest is not None else 0
    return str(own if own > highest else highest + 1)


def _revision_of(replica_set: JsonObject) -> int:
    text = meta.annotations(replica_set).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def _numbers(replica_set: JsonObject) -> Replicas:
    return Replicas(
        name=meta.name(replica_set),
        wanted=count(replica_set, "spec", "replicas"),
        existing=count(replica_set, "status", "replicas"),
        available=count(replica_set, "status", "availableReplicas"),
    )


def _is_in_use(replica_set: JsonObject) -> bool:
    numbers = _numbers(replica_set)
    return bool(numbers.wanted or numbers.existing)


def _next(deployment: JsonObject, bounds: RolloutLimits, new: Replicas, older: Sequence[JsonObject]) -> int:
    return next_new_replicas(bounds, new, list(map(_numbers, older)), recreate=recreates(deployment))


def _scale(
    deployment: JsonObject, bounds: RolloutLimits, newest: JsonObject | None, older: Sequence[JsonObject]
) -> Mapping[str, int]:
    """Grow or shrink the newest ReplicaSet where that is due, else shrink the older ones."""
    new = _numbers(newest) if newest is not None else None
    if new is not None and (replicas := _next(deployment, bounds, new, older)) != new.wanted:
        return {new.name: replicas}
    return next_old_replicas(bounds, new, list(map(_numbers, older)), recreate=recreates(deployment))


def _scale_paused(bounds: RolloutLimits, replica_sets: Sequence[JsonObject]) -> Mapping[str, int]:
    """While a rollout is paused, scaling reaches the one ReplicaSet that carries the Deployment."""
    numbers = list(map(_numbers, replica_sets))
    active = [each for each in numbers if each.wanted] or numbers[-1:]
    return {each.name: bounds.desired for each in active if len(active) == 1 and each.wanted != bounds.desired}


def _beyond_history(deployment: JsonObject, older: Sequence[JsonObject]) -> tuple[str, ...]:
    kept = deployment["spec"].get("revisionHistoryLimit", _DEFAULT_HISTORY)
    idle = sorted((each for each in older if not _is_in_use(each)), key=_revision_of)
    return tuple(meta.name(each) for each in idle[: max(0, len(idle) - kept)])
