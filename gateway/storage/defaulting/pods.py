"""Defaults of Pods and of the Pod templates inside workloads. Pure; after Kubernetes `pkg/apis/core/v1/defaults.go`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import default, objects

_FILE_MODE = 0o644
_VOLUMES_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_TOKEN_LIFETIME_SECONDS = 3600
_TAG = re.compile(r":([\w][\w.-]{0,127})(@.*)?", re.ASCII)

_VOLUME_DEFAULTS: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_pod(pod: JsonObject) -> None:
    """Fill in a Pod, which takes more defaults than a template: resource requests, host ports, service links."""
    spec = pod["spec"]
    for container in [*objects(spec, "containers"), *objects(spec, "initContainers")]:
        _default_requests(container)
        if spec.get("hostNetwork"):
            for port in objects(container, "ports"):
                default(port, hostPort=port.get("containerPort"))
    default(spec, enableServiceLinks=True)
    default_pod_spec(spec)


def default_pod_template(template: Any) -> None:
    """Fill in the Pod template of a workload."""
    if isinstance(template, dict) and isinstance(template.get("spec"), dict):
        default_pod_spec(template["spec"])


def default_pod_spec(spec: JsonObject) -> None:
    """Fill in what Pods and templates have in common."""
    default(
        spec,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        securityContext={},
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )
    # The same under its old name.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in objects(spec, "volumes"):
        _default_volume(volume)
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for container in objects(spec, field):
            _default_container(container)


def image_pull_policy(image: str) -> str:
    """Return the policy an image gets: Always when its tag is `latest`, given or implied."""
    if not image:
        return "IfNotPresent"
    _, _, last = image.rpartition("/")
    tag = _TAG.search(last)
    latest = tag.group(1) == "latest" if tag and "@" not in last[: tag.start()] else "@" not in last
    return "Always" if latest else "IfNotPresent"


def _default_container(container: JsonObject) -> None:
    default(
        container,
        imagePullPolicy=image_pull_policy(str(container.get("image") or "")),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    for port in objects(container, "ports"):
        default(port, protocol="TCP")
    for variable in objects(container, "env"):
        source = variable.get("valueFrom")
        if isinstance(source, dict):
            _default_field_reference(source)
            if isinstance(source.get("fileKeyRef"), dict):
                default(source["fileKeyRef"], optional=False)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _default_probe(container[probe])
    lifecycle = container.get("lifecycle")
    for hook in ("postStart", "preStop"):
        if isinstance(lifecycle, dict) and isinstance(lifecycle.get(hook), dict):
            _default_http_get(lifecycle[hook])


def _default_probe(probe: JsonObject) -> None:
    default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _default_http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        default(probe["grpc"], service="")


def _default_http_get(handler: JsonObject) -> None:
    if isinstance(handler.get("httpGet"), dict):
        default(handler["httpGet"], path="/", scheme="HTTP")


def _default_field_reference(source: JsonObject) -> None:
    if isinstance(source.get("fieldRef"), dict):
        default(source["fieldRef"], apiVersion="v1")


def _default_requests(container: JsonObject) -> None:
    """Request what is limited, where only the limit is given."""
    resources = container.get("resources")
    if isinstance(resources, dict) and isinstance(resources.get("limits"), dict):
        requests = resources.setdefault("requests", {})
        for name, limit in resources["limits"].items():
            requests.setdefault(name, limit)


def _default_volume(volume: JsonObject) -> None:
    if not any(field != "name" for field in volume):
        volume["emptyDir"] = {}
    for source in _VOLUMES_WITH_MODE:
        if isinstance(volume.get(source), dict):
            default(volume[source], defaultMode=_FILE_MODE)
    default_volume_source(volume)
    image = volume.get("image")
    if isinstance(image, dict):
        default(image, pullPolicy=image_pull_policy(str(image.get("reference") or "")))
    claim = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    if isinstance(claim, dict) and isinstance(claim.get("spec"), dict):
        default(claim["spec"], volumeMode="Filesystem")
    for item in _downward_api_items(volume):
        _default_field_reference(item)
    for projection in objects(volume.get("projected"), "sources"):
        if isinstance(projection.get("serviceAccountToken"), dict):
            default(projection["serviceAccountToken"], expirationSeconds=_TOKEN_LIFETIME_SECONDS)


def default_volume_source(volume: JsonObject) -> None:
    """Fill in what volumes of a Pod and persistent volumes have in common."""
    for source, defaults in _VOLUME_DEFAULTS.items():
        if isinstance(volume.get(source), dict):
            default(volume[source], **defaults)


def _downward_api_items(volume: JsonObject) -> Iterator[JsonObject]:
    yield from objects(volume.get("downwardAPI"), "items")
    for source in objects(volume.get("projected"), "sources"):
        yield from objects(source.get("downwardAPI"), "items")
