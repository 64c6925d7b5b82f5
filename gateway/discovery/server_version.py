"""The /version document of a gateway that is its own API server.

Clients read it as the version of Kubernetes they talk to: kubectl compares minors, Helm charts test the gitVersion. So
it names the Kubernetes whose API and schemas are served, and ours as build metadata.
"""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import sys

from gateway.apimachinery.meta import JsonObject

KUBERNETES_MAJOR = "1"
KUBERNETES_MINOR = "36"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@functools.cache
def gateway_version() -> JsonObject:
    """Return the document; treat it as read-only. Major and minor are digits only, as conformance demands."""
    machine = platform.machine().lower()
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "gitVersion": f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+fleetgate.{importlib.metadata.version('fleetgate')}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{_MACHINES.get(machine, machine)}",
    }
