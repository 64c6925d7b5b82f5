"""Kubeconfig files for issued identities: one cluster, one user, one context, everything embedded.

Neighbours: `commands` writes them. A file that holds anything else than one of ours is never written over.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from certs.errors import CertsError
from certs.keystore import read_public, write_atomically

CLUSTER = "fleetgate"
"""The name of the cluster entry in every kubeconfig we write."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client needs: who it is (PEM certificate and key), where the gateway is, and whom it may believe."""

    user: str
    server: str
    ca_bundle: bytes
    certificate: bytes
    key: bytes


def render(credentials: Credentials) -> str:
    """Return a kubeconfig whose current context is the issued identity at the gateway."""
    context = f"{credentials.user}@{CLUSTER}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CLUSTER,
                "cluster": {
                    "server": credentials.server,
                    "certificate-authority-data": _base64(credentials.ca_bundle),
                },
            }
        ],
        "users": [
            {
                "name": credentials.user,
                "user": {
                    "client-certificate-data": _base64(credentials.certificate),
                    "client-key-data": _base64(credentials.key),
                },
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": CLUSTER, "user": credentials.user}}],
        "current-context": context,
    }
    return yaml.safe_dump(document, sort_keys=False)


def read(path: Path) -> Credentials:
    """Return what a kubeconfig written by us holds.

    Raises:
        CertsError: it cannot be read, or it is not one of ours alone.
    """
    try:
        document: Any = yaml.safe_load(read_public(path))
        (cluster,), (user,), (_,) = document["clusters"], document["users"], document["contexts"]
        if cluster["name"] != CLUSTER:
            raise ValueError(f"its cluster is not named {CLUSTER}")
        return Credentials(
            user=user["name"],
            server=cluster["cluster"]["server"],
            ca_bundle=base64.b64decode(cluster["cluster"]["certificate-authority-data"]),
            certificate=base64.b64decode(user["user"]["client-certificate-data"]),
            key=base64.b64decode(user["user"]["client-key-data"]),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise CertsError(f"{path} is not a kubeconfig that fleetgate wrote; choose another file") from error


def write(path: Path, credentials: Credentials) -> None:
    """Write a kubeconfig readable by its owner alone, replacing an earlier one of ours.

    Raises:
        CertsError: the file exists and is not one of ours, or it cannot be written.
    """
    if path.exists():
        read(path)
    write_atomically(path, render(credentials).encode())


def certificate_of(credentials: Credentials) -> x509.Certificate:
    """Return the client certificate; raises CertsError when it is not one."""
    try:
        return x509.load_pem_x509_certificate(credentials.certificate)
    except ValueError as error:
        raise CertsError("the kubeconfig holds no readable client certificate") from error


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
