"""The Pods that both servers hold: equal in every run, about 10 KB of JSON, as clusters have them.

They are complete (defaults, managedFields, status), so that a kube-apiserver reads them from etcd unchanged.
"""

import random
import re
from functools import cache, lru_cache
from typing import Any

import msgspec

from gateway.apimachinery import protobuf

SHARDS = 100
"""A label and a node name match one Pod of so many."""
NAMESPACES = tuple(f"team-{number:02d}" for number in range(20))
APPS = ("checkout", "cart", "catalog", "ledger", "indexer", "recommender", "exporter", "mailer")
SENT = "bench.fleetgate.io/sent"
UNSENT = "1000000000000000000"
"""Stands in the annotation SENT where a change puts its time in nanoseconds, of as many digits."""

_CREATED = "2026-01-05T08:00:00Z"
_HEX = "0123456789abcdef"

_LIVES = b"-0000-4000-8000-"
_VERSION = re.compile(rb'"resourceVersion":"[0-9]+"')

Json = dict[str, Any]


def namespace(index: int) -> str:
    """The namespace of a Pod."""
    return NAMESPACES[index % len(NAMESPACES)]


def name(index: int) -> str:
    """The name of a Pod."""
    return f"{_app(index)}-{_template_hash(index)}-{index:07d}"


def path(index: int) -> str:
    """Where the API has a Pod."""
    return f"/api/v1/namespaces/{namespace(index)}/pods/{name(index)}"


def pod_json(index: int, resource_version: int) -> bytes:
    """A Pod as a member sends it."""
    obj = pod(index)
    obj["metadata"]["resourceVersion"] = str(resource_version)
    return msgspec.json.encode(obj)


@lru_cache(maxsize=4096)
def pod_protobuf(index: int) -> bytes:
    """A Pod as a kube-apiserver stores it."""
    return protobuf.encode(pod(index))


def changed(content: bytes, sent: str, life: int = 0) -> bytes:
    """An encoded Pod that was changed at that time, and deleted and made again so often before."""
    return content.replace(UNSENT.encode(), sent.encode()).replace(_LIVES, uid_part(life).encode())


def at_version(content: bytes, resource_version: int) -> bytes:
    """A Pod as JSON, under another version."""
    return _VERSION.sub(b'"resourceVersion":"%d"' % resource_version, content, count=1)


def uid_part(life: int) -> str:
    """What tells the lives of a Pod of one name apart."""
    return f"-{life:04x}-4000-8000-"


def uid(index: int, life: int = 0) -> str:
    """The uid of a Pod."""
    return f"{index:08x}{uid_part(life)}{index:012x}"


def pod(index: int) -> Json:
    """A Pod without a resourceVersion."""
    app, template = _app(index), _template_hash(index)
    metadata = {
        "name": name(index),
        "generateName": f"{app}-{template}-",
        "namespace": namespace(index),
        "uid": uid(index),
        "creationTimestamp": _CREATED,
        "labels": {
            "app.kubernetes.io/name": app,
            "app.kubernetes.io/instance": f"{app}-{index % 7}",
            "app.kubernetes.io/managed-by": "Helm",
            "pod-template-hash": template,
            "shard": f"s{index % SHARDS:02d}",
        },
        "annotations": {
            SENT: UNSENT,
            "checksum/config": _noise(f"config-{index % 512}", 64),
            "prometheus.io/port": "9090",
            "prometheus.io/scrape": "true",
        },
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": f"{app}-{template}",
                "uid": f"{index % 512:08x}-0000-4000-9000-000000000000",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
        "managedFields": _managed_fields(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": _spec(index),
        "status": _status(index),
    }


def _app(index: int) -> str:
    return APPS[index % len(APPS)]


def _template_hash(index: int) -> str:
    return _noise(f"template-{index % 512}", 10)


@cache
def _noise(seed: str, length: int) -> str:
    return "".join(random.Random(seed).choices(_HEX, k=length))


def _container(app: str, image: str, index: int) -> Json:
    probe = {
        "httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    secret = {"secretKeyRef": {"name": f"{app}-database", "key": "url"}}
    values = [{"name": f"SETTING_{number}", "value": _noise(f"{app}-{number}", 24)} for number in range(8)]
    return {
        "name": app,
        "image": image,
        "args": ["--listen=:8080", f"--shard={index}", "--log-format=json", f"--peers={app}-headless:7946"],
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "DATABASE_URL", "valueFrom": secret},
            *values,
        ],
        "resources": {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/app", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
        ],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
        },
    }


def _spec(index: int) -> Json:
    app = _app(index)
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}
    projected = {"sources": [token, {"configMap": {"name": "kube-root-ca.crt"}}], "defaultMode": 420}
    return {
        "volumes": [
            {"name": "config", "configMap": {"name": f"{app}-config", "defaultMode": 420}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "kube-api-access", "projected": projected},
        ],
        "containers": [
            _container(app, _image(app, index), index),
            _container("proxy", "registry.example/mesh/proxy:3.2.1", index),
        ],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": app,
        "serviceAccount": app,
        "nodeName": f"node-{index % SHARDS:02d}",
        "securityContext": {"fsGroup": 2000},
        "schedulerName": "default-scheduler",
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{state}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for state in ("not-ready", "unreachable")
        ],
        "priority": 0,
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def _image(app: str, index: int) -> str:
    return f"registry.example/{app}:1.{index % 40}.0"


def _status(index: int) -> Json:
    address = f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"
    conditions = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    app = _app(index)
    return {
        "phase": "Running",
        "conditions": [
            {"type": type_, "status": "True", "lastProbeTime": None, "lastTransitionTime": _CREATED}
            for type_ in conditions
        ],
        "hostIP": f"192.168.0.{index % SHARDS}",
        "hostIPs": [{"ip": f"192.168.0.{index % SHARDS}"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": _CREATED,
        "containerStatuses": [
            {
                "name": container,
                "state": {"running": {"startedAt": _CREATED}},
                "lastState": {},
                "ready": True,
                "restartCount": index % 3,
                "image": image,
                "imageID": f"registry.example/{container}@sha256:{_noise(image, 64)}",
                "containerID": f"containerd://{_noise(f'{container}-{index % 4096}', 64)}",
                "started": True,
            }
            for container, image in ((app, _image(app, index)), ("proxy", "registry.example/mesh/proxy:3.2.1"))
        ],
        "qosClass": "Burstable",
    }


@cache
def _managed_fields() -> list[Json]:
    container: Json = {
        ".": {},
        **{
            f"f:{field}": {}
            for field in (
                "args",
                "image",
                "imagePullPolicy",
                "name",
                "terminationMessagePath",
                "terminationMessagePolicy",
            )
        },
        "f:env": {".": {}, **{f'k:{{"name":"SETTING_{n}"}}': {".": {}, "f:name": {}, "f:value": {}} for n in range(8)}},
        "f:livenessProbe": {".": {}, "f:failureThreshold": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}},
        "f:readinessProbe": {".": {}, "f:failureThreshold": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}},
        "f:resources": {".": {}, "f:limits": {".": {}, "f:memory": {}}, "f:requests": {".": {}, "f:cpu": {}}},
        "f:securityContext": {".": {}, "f:capabilities": {".": {}, "f:drop": {}}, "f:runAsNonRoot": {}},
    }
    labels: Json = {".": {}, "f:app.kubernetes.io/name": {}, "f:pod-template-hash": {}, "f:shard": {}}
    created = {
        "f:metadata": {"f:annotations": {".": {}, "f:checksum/config": {}}, "f:labels": labels},
        "f:spec": {
            "f:containers": {'k:{"name":"app"}': container, 'k:{"name":"proxy"}': container},
            "f:dnsPolicy": {},
            "f:restartPolicy": {},
            "f:volumes": {".": {}, 'k:{"name":"config"}': {".": {}, "f:configMap": {".": {}, "f:name": {}}}},
        },
    }
    condition: Json = {".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}
    types = ("ContainersReady", "Initialized", "PodReadyToStartContainers", "Ready")
    reported = {
        "f:status": {
            "f:conditions": {f'k:{{"type":"{type_}"}}': condition for type_ in types},
            "f:containerStatuses": {},
            "f:hostIP": {},
            "f:phase": {},
            "f:podIP": {},
            "f:podIPs": {".": {}, "f:ip": {}},
            "f:startTime": {},
        }
    }
    entry = {"apiVersion": "v1", "fieldsType": "FieldsV1", "operation": "Update", "time": _CREATED}
    return [
        {**entry, "manager": "kube-controller-manager", "fieldsV1": created},
        {**entry, "manager": "kubelet", "fieldsV1": reported, "subresource": "status"},
    ]
