"""Objects as a member's API server has them: defaulted, with uid and times."""

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.object_meta import timestamp

NOW = 1_780_000_000.0


def at(seconds: float) -> str:
    """The time so many seconds after NOW."""
    return timestamp(NOW + seconds)


def pod(
    name: str = "p",
    *,
    image: str = "nginx",
    command: list[str] | None = None,
    restart: str = "Always",
    owner: str = "",
    node: str = "n1",
    **metadata: Any,
) -> JsonObject:
    container: JsonObject = {"name": "c", "image": image}
    if command is not None:
        container["command"] = command
    references = [{"kind": owner, "name": "o", "uid": "o", "controller": True}] if owner else []
    spec: JsonObject = {"containers": [container], "restartPolicy": restart}
    if node:
        spec["nodeName"] = node
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "ownerReferences": references}
        | metadata,
        "spec": spec,
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def deployment(name: str = "web", replicas: int = 3, *, image: str = "nginx", **spec: Any) -> JsonObject:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "generation": 1,
            "labels": labels,
            "creationTimestamp": at(0),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": strategy,
            "template": template,
            "progressDeadlineSeconds": 600,
            **spec,
        },
    }
