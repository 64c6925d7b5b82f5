"""Addresses of Services: which one a new Service gets, and the fields that follow from it. Pure.

The registry holds which addresses are taken; this module only chooses. IPv4, one address a Service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from ipaddress import IPv4Network

from gateway.apimachinery.meta import JsonObject

SERVICE_RANGE = "10.96.0.0/16"
"""Where addresses of Services come from unless configured."""

_HEADLESS = "None"
_EXTERNAL_NAME = "ExternalName"


def allocate_cluster_ip(uid: str, taken: Container[str], cidr: str = SERVICE_RANGE) -> str:
    """Return a free address of the range, found from the Service's uid, so that equal histories choose alike.

    Raises ValueError when every address is taken.
    """
    network = IPv4Network(cidr)
    usable = network.num_addresses - 2
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8])
    for step in range(usable):
        address = str(network[1 + (start + step) % usable])
        if address not in taken:
            return address
    raise ValueError(f"range is full: {cidr}")


def default_service_ip(service: JsonObject, old: JsonObject | None, allocate: Callable[[], str]) -> None:
    """Give a new or changed Service its address and the fields that depend on it, in place.

    An update that leaves the address out keeps the old one. `allocate` is asked only when a new address is needed.
    """
    spec = service["spec"]
    if spec.get("type") == _EXTERNAL_NAME:
        return
    before = (old or {}).get("spec") or {}
    if not spec.get("clusterIP"):
        kept = before.get("clusterIP") if before.get("type") != _EXTERNAL_NAME else None
        spec["clusterIP"] = kept or allocate()
    spec["clusterIPs"] = [spec["clusterIP"]]
    if spec["clusterIP"] != _HEADLESS or spec.get("selector"):
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    else:
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack")
