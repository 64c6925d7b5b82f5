"""Which node a Pod goes to, and which address it gets there. Pure.

The least filled node that may take the Pod; of the scheduler's many rules only those a demo shows are kept: cordoned
nodes, nodeSelector, and the number of Pods a node takes.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field


@dataclass(frozen=True, slots=True)
class Assignment:
    """The node's name; without one `message` says why no node takes the Pod, in the scheduler's words."""

    node: str = ""
    message: str = ""


def assign(pod: JsonObject, nodes: Sequence[JsonObject], filled: Mapping[str, int]) -> Assignment:
    """Choose a node; `filled` is how many Pods each node has."""
    refusals: Counter[str] = Counter()
    fitting = []
    for node in nodes:
        if refusal := _refusal(pod, node, filled.get(meta.name(node), 0)):
            refusals[refusal] += 1
        else:
            fitting.append(meta.name(node))
    if fitting:
        return Assignment(min(fitting, key=lambda name: (filled.get(name, 0), name)))
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(refusals.items()))
    return Assignment(message=f"0/{len(nodes)} nodes are available: {reasons or 'there are no nodes'}.")


def _refusal(pod: JsonObject, node: JsonObject, filled: int) -> str:
    if field(node, "spec", "unschedulable"):
        return "node(s) were unschedulable"
    wanted = field(pod, "spec", "nodeSelector") or {}
    if not wanted.items() <= meta.labels(node).items():
        return "node(s) didn't match Pod's node affinity/selector"
    if filled >= int(field(node, "status", "allocatable", "pods") or 0):
        return "Too many pods"
    return ""


def free_address(network: str, taken: Collection[str]) -> str:
    """Return the lowest free address of a node's network but the first, the node's own; "" when none is left."""
    hosts = ipaddress.ip_network(network).hosts()
    next(hosts, None)
    return next((text for host in hosts if (text := str(host)) not in taken), "")
