"""Objects as members have them."""

from datetime import UTC, datetime
from typing import Any

from gateway.apimachinery.meta import JsonObject


def pod(
    name: str = "web",
    namespace: str = "default",
    *,
    uid: str = "uid-1",
    rv: str = "10",
    created: float = 1_700_000_000,
    labels: dict[str, str] | None = None,
    node: str = "",
    phase: str = "Running",
    **metadata: Any,
) -> JsonObject:
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": rv,
            "creationTimestamp": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({"labels": labels} if labels else {}),
            **metadata,
        },
        "spec": {"nodeName": node, "containers": [{"name": "main"}]},
        "status": {"phase": phase},
    }


def event(name: str = "web.1", namespace: str = "default", **fields: Any) -> JsonObject:
    return {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "10",
            "creationTimestamp": "2023-11-14T22:13:20Z",
        },
        "involvedObject": {"kind": "Pod", "namespace": namespace, "name": "web", "uid": "uid-1", "apiVersion": "v1"},
        "reason": "Started",
        "message": "Started container main",
        "source": {"component": "kubelet", "host": "n1"},
        "firstTimestamp": "2023-11-14T22:13:20Z",
        "lastTimestamp": "2023-11-14T22:13:20Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
        **fields,
    }
