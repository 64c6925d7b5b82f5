"""The Nodes of a simulated member: made at its first start, and always ready. Pure data.

Nobody renews their heartbeats, as nobody judges Nodes by them here.
"""

from __future__ import annotations

import hashlib

from gateway.apimachinery.meta import JsonObject
from gateway.storage.object_meta import timestamp

NODES_PER_MEMBER = 3
POD_CAPACITY = 110
"""Pods that a node takes, kubelet's default."""

_CONDITIONS = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}


def simulated_nodes(cluster: str, number: int, version: str, now: float) -> list[JsonObject]:
    """Return the Nodes of a member, status included.

    Args:
        cluster: the member's name.
        number: 1 to 254, different for each member, so that no two Pods of the demo have the same address.
        version: what the kubelets report.
        now: seconds since the epoch.
    """
    return [_node(f"{cluster}-node-{index}", f"10.{number}", index, version, now) for index in _indices()]


def _indices() -> range:
    return range(1, NODES_PER_MEMBER + 1)


def _node(name: str, network: str, index: int, version: str, now: float) -> JsonObject:
    resources = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": str(POD_CAPACITY)}
    pod_network = f"{network}.{index}.0/24"
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{index}",
                "type": "simulated",
            },
            "annotations": {"fleetgate.io/simulated": "true"},
        },
        "spec": {"podCIDR": pod_network, "podCIDRs": [pod_network]},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": f"{network}.0.{index}"},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                {
                    "type": kind,
                    "status": status,
                    "reason": reason,
                    "message": message,
                    "lastHeartbeatTime": timestamp(now),
                    "lastTransitionTime": timestamp(now),
                }
                for kind, (status, reason, message) in _CONDITIONS.items()
            ],
            "nodeInfo": _node_info(name, version),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    }


def _node_info(name: str, version: str) -> JsonObject:
    identity = hashlib.sha256(name.encode()).hexdigest()[:32]
    return {
        "machineID": identity,
        "systemUUID": identity,
        "bootID": identity,
        "kernelVersion": "simulated",
        "osImage": "simulated by fleetgate",
        "containerRuntimeVersion": "simulated://1",
        "kubeletVersion": version,
        "kubeProxyVersion": version,
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
