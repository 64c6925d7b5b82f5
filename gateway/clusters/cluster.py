"""Karmada's Cluster object (cluster.karmada.io/v1alpha1) as a value: the fields that say how a member is reached.

Pure: reads the JSON object, knows nothing of Secrets' contents or connections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind, GroupVersionResource
from gateway.clusters.endpoint import Endpoint, EndpointError, normalize_url

CLUSTERS = GroupVersionResource("cluster.karmada.io", "v1alpha1", "clusters")
CLUSTER_KIND = GroupVersionKind("cluster.karmada.io", "v1alpha1", "Cluster")

SECRET_NAMESPACE = "karmada-cluster"  # noqa: S105 - the namespace Karmada keeps members' Secrets in, not a secret
"""Where the Secrets of members live, Karmada's default."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "fleetgate"

TLS_SERVER_NAME_ANNOTATION = "fleetgate.io/tls-server-name"
"""The name in the API server's certificate where that is not the host of its address; Karmada has no field for it."""

NAME_LIMIT = 48
"""Longest name of a Cluster (Karmada's rule), so that names derived from it stay within 63 characters."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret by namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """One member as its Cluster object describes it.

    `full_impersonation` tells whether uid and extra are impersonated too: the roles Karmada itself hands out in members
    allow users and groups only, while those that `fleetgate join` asks for allow all four.
    """

    name: str
    endpoint: Endpoint
    secret: SecretReference | None = None
    impersonator_secret: SecretReference | None = None
    sync_mode: str = "Push"
    full_impersonation: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


def name_problem(name: str) -> str:
    """Return what is wrong with a member's name, or an empty string.

    A name is a DNS-1123 label without dots, because objects of same-named Pods are served as `<name>.<cluster>`.
    """
    if len(name) > NAME_LIMIT:
        return f"{name!r} is too long: the name of a cluster has at most {NAME_LIMIT} characters"
    if not _DNS_LABEL.fullmatch(name):
        return (
            f"{name!r} is no name for a cluster: it consists of lower case letters, digits and '-', "
            "and starts and ends with a letter or digit"
        )
    return ""


def _secret_reference(spec: Mapping[str, Any], field_name: str) -> SecretReference | None:
    reference = spec.get(field_name)
    if not isinstance(reference, dict):
        return None
    namespace, name = reference.get("namespace"), reference.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    return SecretReference(namespace, name)


def _proxy_headers(spec: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Read `proxyHeader`: one text a header, several values separated by commas."""
    headers = spec.get("proxyHeader")
    if not isinstance(headers, dict):
        return {}
    return {
        name: tuple(value.strip() for value in text.split(","))
        for name, text in headers.items()
        if isinstance(name, str) and isinstance(text, str)
    }


def parse_cluster(obj: JsonObject) -> Cluster:
    """Read a Cluster object. Raises EndpointError when it cannot say where the member is, ValueError on a bad name."""
    name = meta.name(obj)
    if problem := name_problem(name):
        raise ValueError(problem)
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        spec = {}
    address = spec.get("apiEndpoint")
    if not isinstance(address, str) or not address.strip():
        raise EndpointError("spec.apiEndpoint is empty: the member's API server has no address")
    labels = meta.labels(obj)
    proxy_url = spec.get("proxyURL")
    return Cluster(
        name=name,
        endpoint=Endpoint(
            url=normalize_url(address),
            tls_server_name=meta.annotations(obj).get(TLS_SERVER_NAME_ANNOTATION, ""),
            insecure_skip_tls_verify=spec.get("insecureSkipTLSVerification") is True,
            proxy_url=proxy_url if isinstance(proxy_url, str) else "",
            proxy_headers=_proxy_headers(spec),
        ),
        secret=_secret_reference(spec, "secretRef"),
        impersonator_secret=_secret_reference(spec, "impersonatorSecretRef"),
        sync_mode=str(spec.get("syncMode") or "Push"),
        full_impersonation=labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
        labels=labels,
    )
