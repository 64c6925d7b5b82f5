"""Karmada's Cluster object (cluster.karmada.io/v1alpha1) as a value: the fields that say how a member is reached.

Pure: reads the JSON object, knows nothing of Secrets' contents or connections.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind, GroupVersionResource
from gateway.clusters.endpoint import Endpoint, EndpointError, normalize_proxy, normalize_url
from gateway.storage.validation.names import dns_label, dns_subdomain

CLUSTERS = GroupVersionResource("cluster.karmada.io", "v1alpha1", "clusters")
CLUSTER_KIND = GroupVersionKind("cluster.karmada.io", "v1alpha1", "Cluster")

SECRET_NAMESPACE = "karmada-cluster"  # noqa: S105 - the namespace Karmada keeps members' Secrets in, not a secret
"""Where the Secrets of members live: Karmada's default, and where `fleetgate join` writes them."""

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "fleetgate"

TLS_SERVER_NAME_ANNOTATION = "fleetgate.io/tls-server-name"
"""The name in the API server's certificate where that is not the host of its address; Karmada has no field for it."""

NAME_LIMIT = 48
"""Longest name of a Cluster (Karmada's rule), so that names derived from it stay within 63 characters."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HEADER_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


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
    # It becomes a path at the store: nothing but names, or it would lead to another object than the one it seems to.
    if dns_label(namespace) or dns_subdomain(name):
        raise ValueError(f"spec.{field_name} can name no Secret: {namespace!r}, {name!r}")
    return SecretReference(namespace, name)


def secret_problem(cluster: Cluster, namespaces: Collection[str]) -> str:
    """Return why a Cluster's credentials are not read, or an empty string: they stand in other than these namespaces.

    Whoever may write a Cluster could otherwise have the gateway read any Secret, with its own right, and send what is
    in there to an address of his choice.
    """
    for field_name, reference in (
        ("secretRef", cluster.secret),
        ("impersonatorSecretRef", cluster.impersonator_secret),
    ):
        if reference is not None and reference.namespace not in namespaces:
            allowed = f"of {', '.join(sorted(namespaces))} only" if namespaces else "of no namespace"
            return (
                f"spec.{field_name} names the Secret {reference}: credentials of members are read from Secrets "
                f"{allowed} (members.secretNamespaces of the gateway's configuration)"
            )
    return ""


def _proxy(spec: Mapping[str, Any], url: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Read `proxyURL`, and `proxyHeader` which means something beside it only."""
    text = spec.get("proxyURL")
    try:
        proxy = normalize_proxy(text if isinstance(text, str) else "", url)
    except EndpointError as error:
        raise EndpointError(f"spec.proxyURL: {error}") from None
    return proxy, _proxy_headers(spec) if proxy else {}


def _proxy_headers(spec: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Read `proxyHeader`: one text a header, several values separated by commas. Raises ValueError."""
    headers = spec.get("proxyHeader")
    if not isinstance(headers, dict):
        return {}
    read: dict[str, tuple[str, ...]] = {}
    for name, text in headers.items():
        if not isinstance(text, str):
            continue
        if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(text)):
            raise ValueError(f"spec.proxyHeader: {name!r} or its value cannot be sent as a header")
        read[name] = tuple(value.strip() for value in text.split(","))
    return read


def parse_cluster(obj: JsonObject) -> Cluster:
    """Read a Cluster object.

    Raises EndpointError when it cannot say where the member is, ValueError on a bad name of it or of its Secrets.
    """
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
    url = normalize_url(address)
    proxy_url, proxy_headers = _proxy(spec, url)
    return Cluster(
        name=name,
        endpoint=Endpoint(
            url=url,
            tls_server_name=meta.annotations(obj).get(TLS_SERVER_NAME_ANNOTATION, ""),
            insecure_skip_tls_verify=spec.get("insecureSkipTLSVerification") is True,
            proxy_url=proxy_url,
            proxy_headers=proxy_headers,
        ),
        secret=_secret_reference(spec, "secretRef"),
        impersonator_secret=_secret_reference(spec, "impersonatorSecretRef"),
        sync_mode=str(spec.get("syncMode") or "Push"),
        full_impersonation=labels.get(MANAGED_BY_LABEL) == MANAGED_BY,
        labels=labels,
    )
