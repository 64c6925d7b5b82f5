"""How a Deployment is divided over the members, and what each of them gets. Pure."""

from __future__ import annotations

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject

PROPAGATED_LABEL = "simulation.fleetgate.io/propagated"
GENERATION_ANNOTATION = "simulation.fleetgate.io/generation"
"""The generation of the federated object that a member's object was made from."""

_REVISION = "deployment.kubernetes.io/revision"
_NOT_PROPAGATED = frozenset({_REVISION, "kubectl.kubernetes.io/last-applied-configuration"})


def divide(replicas: int, members: int) -> list[int]:
    """Return the replicas of each member: equal shares, what is left over one by one to the first."""
    share, rest = divmod(replicas, members)
    return [share + (index < rest) for index in range(members)]


def replicas_of(deployment: JsonObject, index: int, members: int) -> int:
    """Return the replicas of a Deployment that the member with that index gets."""
    wanted = deployment["spec"].get("replicas")
    return divide(1 if wanted is None else wanted, members)[index]


def member_deployment(deployment: JsonObject, replicas: int) -> JsonObject:
    """Return the Deployment as a member gets it: its own share of the replicas, nothing that belongs to the server."""
    annotations = {name: text for name, text in meta.annotations(deployment).items() if name not in _NOT_PROPAGATED}
    generation = str(deployment["metadata"].get("generation") or 0)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": meta.name(deployment),
            "namespace": meta.namespace(deployment),
            "labels": {**meta.labels(deployment), PROPAGATED_LABEL: "true"},
            "annotations": {**annotations, GENERATION_ANNOTATION: generation},
        },
        "spec": {**deployment["spec"], "replicas": replicas},
    }


def is_propagated(deployment: JsonObject) -> bool:
    """Whether a member's Deployment was made here, and may be changed and deleted."""
    return meta.labels(deployment).get(PROPAGATED_LABEL) == "true"


def says_the_same(current: JsonObject, wanted: JsonObject) -> bool:
    """Whether a member's Deployment is what is wanted, apart from what its own controller writes."""
    annotations = {name: text for name, text in meta.annotations(current).items() if name != _REVISION}
    return (
        current["spec"] == wanted["spec"]
        and meta.labels(current) == meta.labels(wanted)
        and annotations == meta.annotations(wanted)
    )
