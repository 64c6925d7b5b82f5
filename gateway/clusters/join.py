"""Joining and unjoining a member by the gateway's own API: a Cluster object and the Secret with its credentials.

Works the same at an embedded store, at Karmada and at a bare kube-apiserver, which gets the kind installed first.
Everything is done as the person who runs the command; the gateway then finds the member as it finds Karmada's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import (
    CLUSTER_KIND,
    CLUSTERS,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    SECRET_NAMESPACE,
    TLS_SERVER_NAME_ANNOTATION,
)
from gateway.clusters.crd import cluster_definition
from gateway.clusters.credentials import Credentials, secret_data
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.upstream import Upstream

STATUS_PATH = "/fleetgate/v1alpha1/clusters"
"""Where a gateway tells the state of its members; no other API server serves it."""

CREDENTIALS_ANNOTATION = "fleetgate.io/credentials-written-at"
"""Changes whenever the Secret does, so that a gateway reads it again at once."""

_CLUSTERS = f"{CLUSTERS.group_version.path}/{CLUSTERS.resource}"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SECRETS = f"/api/v1/namespaces/{SECRET_NAMESPACE}/secrets"
_NAMESPACES = "/api/v1/namespaces"
_SYSTEM_LABEL = "karmada.io/system"
_INSTALL_ATTEMPTS = 60
_REMOVAL_ATTEMPTS = 120
_POLL = 0.5


class JoinError(Exception):
    """Why a member was not joined or unjoined, and what to do, in plain words."""


@dataclass(frozen=True, slots=True)
class NewMember:
    """A member to be joined."""

    name: str
    endpoint: Endpoint
    credentials: Credentials


async def member_states(gateway: Upstream) -> list[JsonObject]:
    """Return what a gateway says of its members. Raises JoinError when the other end is no gateway, or ApiError."""
    try:
        document = await gateway.get_json(STATUS_PATH)
    except PathNotFound:
        raise JoinError(f"{gateway.endpoint.url} is no fleetgate gateway: name its kubeconfig with --gateway") from None
    items = document.get("items")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


async def join(gateway: Upstream, member: NewMember, *, written_at: str) -> None:
    """Write a member's Secret and Cluster object, or bring those of an earlier join up to date.

    Raises JoinError when the name is taken by somebody else's Cluster or Secret or by a Cluster that is being removed,
    or when the kind cannot be installed, or ApiError.
    """
    await _require_kind(gateway)
    existing = await gateway.find_json(_path(_CLUSTERS, member.name))
    if existing is not None and not _ours(existing):
        raise JoinError(f'there is a cluster "{member.name}" that was not joined by fleetgate: choose another name')
    if existing is not None and meta.deletion_timestamp(existing):
        raise JoinError(f'cluster "{member.name}" is still being removed: join it again when it is gone')
    secret = await gateway.find_json(_path(_SECRETS, member.name))
    if secret is not None and not _ours(secret):
        raise JoinError(
            f"there is a Secret {SECRET_NAMESPACE}/{member.name} that was not written by fleetgate: choose another "
            "name, or delete it when no cluster uses it"
        )
    try:
        await gateway.send_json("POST", _NAMESPACES, _namespace())
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    await _put(gateway, _SECRETS, _secret(member))
    await _put(gateway, _CLUSTERS, _cluster(member, written_at))


async def unjoin(gateway: Upstream, name: str) -> None:
    """Delete a member's Cluster object and Secret, or what an earlier unjoin has left of them.

    The Secret goes last: Karmada's controllers need it to take away what they made in the member, and keep the Cluster
    until that is done. Raises JoinError for one that join did not write or that is kept for long, or ApiError.
    """
    path = _path(_CLUSTERS, name)
    try:
        existing = await gateway.find_json(path)
    except PathNotFound:
        existing = None
    if existing is not None and not _ours(existing):
        raise JoinError(f'cluster "{name}" was not joined by fleetgate: remove it with the tool that joined it')
    secret = await gateway.find_json(_path(_SECRETS, name))
    left = secret is not None and _ours(secret)
    if existing is None and not left:
        raise JoinError(f'there is no cluster "{name}" in the store (see: fleetgate clusters)')
    if existing is not None:
        await gateway.send_json("DELETE", path, None)
        await _wait_removed(gateway, path, name)
    if left:
        await gateway.send_json("DELETE", _path(_SECRETS, name), None)


async def _wait_removed(gateway: Upstream, path: str, name: str) -> None:
    finalizers: list[str] = []
    for _ in range(_REMOVAL_ATTEMPTS):
        cluster = await gateway.find_json(path)
        if cluster is None:
            return
        finalizers = meta.finalizers(cluster)
        await asyncio.sleep(_POLL)
    raise JoinError(
        f'cluster "{name}" is being removed and kept by its finalizers ({", ".join(finalizers)}): the federation\'s '
        "controllers have not finished with it; its Secret stays until then, so unjoin it again later"
    )


async def wait_for_member(
    gateway: Upstream, name: str, seconds: float, clock: Callable[[], float]
) -> JsonObject | None:
    """Wait until a gateway reaches a member and has its objects; return what it says of it at last, None if nothing."""
    deadline = clock() + seconds
    while True:
        states = [item for item in await member_states(gateway) if item.get("name") == name]
        state = states[0] if states else None
        if (state and state.get("ready") and state.get("synced")) or clock() >= deadline:
            return state
        await asyncio.sleep(_POLL)


async def _require_kind(gateway: Upstream) -> None:
    """Make sure that the store serves Cluster objects; a bare kube-apiserver gets their definition."""
    if await _kind_served(gateway):
        return
    try:
        await gateway.send_json("POST", _DEFINITIONS, cluster_definition())
    except ApiError as error:
        if error.reason != "AlreadyExists":
            name = meta.name(cluster_definition())
            raise JoinError(
                f"the federation store serves no {name} and the definition cannot be installed: {error.message}; "
                "ask an administrator of the store to join a first cluster, or list the members in a kubeconfig "
                "(members.kubeconfig of the gateway's configuration)"
            ) from None
    for _ in range(_INSTALL_ATTEMPTS):
        if await _kind_served(gateway):
            return
        await asyncio.sleep(_POLL)
    raise JoinError("the definition of Cluster objects was installed, but the store does not serve them yet: try again")


async def _kind_served(gateway: Upstream) -> bool:
    try:
        await gateway.get_json(_CLUSTERS, query="limit=1")
    except PathNotFound:
        return False
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return True


def _path(collection: str, name: str) -> str:
    return f"{collection}/{quote(name, safe='')}"


async def _put(gateway: Upstream, collection: str, obj: JsonObject) -> None:
    """Create an object, or replace all of it but what others keep in its metadata and status."""
    path = _path(collection, meta.name(obj))
    existing = await gateway.find_json(path)
    if existing is None:
        await gateway.send_json("POST", collection, obj)
        return
    metadata = {**meta.metadata(existing), **meta.metadata(obj)}
    metadata["labels"] = {**meta.labels(existing), **meta.labels(obj)}
    metadata["annotations"] = {**meta.annotations(existing), **meta.annotations(obj)}
    await gateway.send_json("PUT", path, {**existing, **obj, "metadata": metadata})


def _ours(obj: JsonObject) -> bool:
    return meta.labels(obj).get(MANAGED_BY_LABEL) == MANAGED_BY


def _namespace() -> JsonObject:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SECRET_NAMESPACE}}


def _secret(member: NewMember) -> JsonObject:
    labels = {MANAGED_BY_LABEL: MANAGED_BY, _SYSTEM_LABEL: "true"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": member.name, "namespace": SECRET_NAMESPACE, "labels": labels},
        "type": "Opaque",
        "data": secret_data(member.credentials),
    }


def _cluster(member: NewMember, written_at: str) -> JsonObject:
    annotations = {CREDENTIALS_ANNOTATION: written_at}
    if member.endpoint.tls_server_name:
        annotations[TLS_SERVER_NAME_ANNOTATION] = member.endpoint.tls_server_name
    reference = {"namespace": SECRET_NAMESPACE, "name": member.name}
    spec: JsonObject = {
        "syncMode": "Push",
        "apiEndpoint": member.endpoint.url,
        "secretRef": reference,
        "impersonatorSecretRef": reference,
    }
    if member.endpoint.insecure_skip_tls_verify:
        spec["insecureSkipTLSVerification"] = True
    if member.endpoint.proxy_url:
        spec["proxyURL"] = member.endpoint.proxy_url
    return {
        "apiVersion": CLUSTER_KIND.api_version,
        "kind": CLUSTER_KIND.kind,
        "metadata": {"name": member.name, "labels": {MANAGED_BY_LABEL: MANAGED_BY}, "annotations": annotations},
        "spec": spec,
    }
