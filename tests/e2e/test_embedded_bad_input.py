"""Bad input to the embedded store gets the Status that a real kube-apiserver gives: code, reason and message."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.side_by_side import SideBySide
from tests.e2e.test_embedded_store import SHOP
from tests.e2e.test_gateway_access import ask, tls

SPACE = "bad-input"
CONFIG = f"/api/v1/namespaces/{SPACE}/configmaps"
CONF = f"{CONFIG}/conf"
SERVICES = f"/api/v1/namespaces/{SPACE}/services"
SECRETS = f"/api/v1/namespaces/{SPACE}/secrets"
WORKLOADS = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
WEB = f"{WORKLOADS}/web"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MERGE, JSON_PATCH, STRATEGIC, APPLY, YAML = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/yaml",
)


def conf(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, **fields}


def meta(**fields: Any) -> dict[str, Any]:
    return conf(metadata={"name": "conf", **fields})


def workload(container: dict[str, Any] | None = None, *, pod: dict[str, Any] | None = None, **spec: Any) -> Any:
    pod = {"containers": [{"name": "c", "image": "i", **(container or {})}], **(pod or {})}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod}
    whole = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bad"}, "spec": whole}


def scale(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": SPACE}, **fields}


def other(api_version: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "bad"}, **fields}


def definition(*, scope: str = "Namespaced", version: dict[str, Any] | None = None, **properties: Any) -> Any:
    schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema, **(version or {})}]
    names = {"kind": "Thing", "plural": "things"}
    spec = {"group": "bad.example.com", "scope": scope, "names": names, "versions": versions}
    metadata = {"name": "things.bad.example.com"}
    return other("apiextensions.k8s.io/v1", "CustomResourceDefinition", metadata=metadata, spec=spec)


DEFINITIONS = [
    definition(scope=""),
    definition(scope="Planet"),
    definition(version={"schema": None}),
    definition(version={"additionalPrinterColumns": [None]}),
    definition(a=None),
    definition(version={"name": None}),
    definition(version={"deprecationWarning": "old"}),
    definition(version={"additionalPrinterColumns": [{"name": "a", "type": "any", "jsonPath": "a"}]}),
    definition(version={"subresources": {"scale": {"specReplicasPath": ".a", "statusReplicasPath": ".status.a"}}}),
    definition(a={}),
    definition(a={"type": "nope"}),
    definition(a={"type": "array"}),
    definition(a={"type": "string", "default": 5}),
    definition(a={"type": "object", "uniqueItems": True}),
    definition(a={"anyOf": [{"type": "string"}]}),
    definition(a={"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"}),
    definition(metadata={"type": "object", "properties": {"labels": {"type": "object"}}}),
    definition(a="nope"),
]

JUNK: list[Any] = [0, "", [], False, {}]
BODIES: list[tuple[str, Any, str]] = [
    *((CONFIG, body, "") for body in ("{", "", "[]", '"x"', "null", "{}", "1", '{"a":}')),
    (CONFIG, "x", "application/xml"),
    (CONFIG, "x", "application/vnd.kubernetes.protobuf"),
    (CONFIG, "a: b", YAML),
    (CONFIG, "a: [", YAML),
    (CONFIG, conf(metadata=None), ""),
    *((CONFIG, conf(metadata=value), "") for value in JUNK),
    (CONFIG, meta(name="new", labels={"a": 0}), ""),
    (CONFIG, meta(name="new", ownerReferences=[None]), ""),
    (CONFIG, meta(name="new", finalizers=[None]), ""),
    (CONFIG, meta(name="new", ownerReferences=[[]]), ""),
    (WORKLOADS, workload(pod={"containers": [None]}), ""),
    (WORKLOADS, workload({"env": [None]}), ""),
    (WORKLOADS, workload({"ports": [None, {}]}), ""),
    (WORKLOADS, workload(selector={"matchExpressions": [None]}), ""),
    (WORKLOADS, workload(selector={"matchExpressions": [{"key": "a", "operator": "In", "values": [None, "-"]}]}), ""),
    (WORKLOADS, workload(template=None), ""),
    (SERVICES, other("v1", "Service", spec={"ports": [None]}), ""),
    (f"/apis/batch/v1/namespaces/{SPACE}/jobs", other("batch/v1", "Job", spec=None), ""),
    (CONFIG, conf(apiVersion="v2"), ""),
    (CONFIG, conf(kind="Nope"), ""),
    (CONFIG, conf(kind="Secret"), ""),
    (CONFIG, meta(), ""),
    (CONFIG, meta(name="Conf_"), ""),
    (CONFIG, meta(name=5), ""),
    (CONFIG, meta(name="new", namespace="other"), ""),
    (CONFIG, meta(name="new", resourceVersion="5"), ""),
    (CONFIG, meta(name="new", labels={"bad key": "x"}), ""),
    (CONFIG, meta(name="new", annotations={"-": "x"}), ""),
    (CONFIG, meta(name="new", finalizers=["nope"]), ""),
    (CONFIG, meta(name="new", ownerReferences=[{"kind": "X"}]), ""),
    (CONFIG, meta(name="x" * 254), ""),
    (CONFIG, conf(data={"a": 1}), ""),
    (CONFIG, conf(data=[]), ""),
    (CONFIG, {**meta(name="new"), "data": {"a/b": "1"}}, ""),
    (CONFIG, conf(binaryData={"a": "!"}), ""),
    (CONFIG, {**meta(name="new"), "data": {"a": "1"}, "binaryData": {"a": "YQ=="}}, ""),
    (f"{CONFIG}?fieldValidation=Strict", conf(nope=1), ""),
    (f"{CONFIG}?fieldValidation=Strict", '{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"1","a":"2"}}', ""),
    (f"{CONFIG}?fieldValidation=Bogus", conf(), ""),
    (f"{CONFIG}?dryRun=Some", conf(), ""),
    (f"{CONFIG}?fieldManager={'x' * 129}", conf(), ""),
    (f"{CONFIG}?fieldManager=%00", conf(), ""),
    (CONF, conf(), ""),
    ("/api/v1/configmaps", conf(), ""),
    ("/api/v1/namespaces/not-there/configmaps", conf(), ""),
    ("/api/v1/namespaces", other("v1", "Namespace", metadata={"name": "default"}), ""),
    ("/api/v1/namespaces", other("v1", "Namespace", metadata={"name": "Bad"}), ""),
    *((WORKLOADS, workload(replicas=replicas), "") for replicas in (-1, "1", 1.5, 99999999999)),
    (WORKLOADS, workload(selector={}), ""),
    (WORKLOADS, workload(selector={"matchLabels": {"x": "y"}}), ""),
    (WORKLOADS, workload(selector={"matchExpressions": [{"key": "a", "operator": "Near"}]}), ""),
    (WORKLOADS, workload(strategy={"type": "Nope"}), ""),
    (WORKLOADS, workload(strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}), ""),
    (WORKLOADS, workload(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}), ""),
    (WORKLOADS, workload(template={}), ""),
    (WORKLOADS, workload(pod={"containers": []}), ""),
    (WORKLOADS, workload(pod={"restartPolicy": "Never"}), ""),
    (WORKLOADS, workload({"name": "C"}), ""),
    (WORKLOADS, workload({"image": ""}), ""),
    (WORKLOADS, workload({"imagePullPolicy": "Nope"}), ""),
    (WORKLOADS, workload({"ports": [{"containerPort": 0}]}), ""),
    (WORKLOADS, workload({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}), ""),
    (WORKLOADS, workload({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}), ""),
    (WORKLOADS, workload({"resources": {"limits": {"cpu": "much"}}}), ""),
    (SERVICES, other("v1", "Service", spec={}), ""),
    (SERVICES, other("v1", "Service", metadata={"name": "bad.name"}, spec={"ports": [{"port": 80}]}), ""),
    (SERVICES, other("v1", "Service", spec={"type": "X", "ports": [{"port": 0}, {"port": 80}]}), ""),
    (SECRETS, other("v1", "Secret", data={"a": "!!"}), ""),
    (SECRETS, other("v1", "Secret", type="kubernetes.io/tls"), ""),
    (f"{RBAC}/clusterroles", other("rbac.authorization.k8s.io/v1", "ClusterRole", rules=[{"verbs": []}]), ""),
    (
        f"{RBAC}/clusterrolebindings",
        other(
            "rbac.authorization.k8s.io/v1", "ClusterRoleBinding",
            roleRef={"kind": "Role", "apiGroup": "x"}, subjects=[{"kind": "Nope"}],
        ),
        "",
    ),
    (
        f"/apis/batch/v1/namespaces/{SPACE}/jobs",
        other("batch/v1", "Job", spec={"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}),
        "",
    ),
    (f"/api/v1/namespaces/{SPACE}/events", other("v1", "Event", involvedObject={"namespace": "other"}), ""),
    *(("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body, "") for body in DEFINITIONS),
]  # fmt: skip

CHANGES: list[tuple[str, str, Any, str]] = [
    ("PUT", CONFIG, conf(), ""),
    ("PUT", f"{CONFIG}/none", meta(name="none"), ""),
    ("PUT", f"{CONFIG}/none", conf(), ""),
    ("PUT", CONF, meta(resourceVersion="1"), ""),
    ("PUT", CONF, meta(resourceVersion="abc"), ""),
    ("PUT", CONF, meta(uid="abc"), ""),
    ("PATCH", CONFIG, {}, MERGE),
    ("PATCH", CONF, "{}", "text/plain"),
    ("PATCH", CONF, "{}", "application/json"),
    *(("PATCH", CONF, body, MERGE) for body in ("", "{", "[]", "null", "1", "a: [")),
    *(("PATCH", CONF, body, JSON_PATCH) for body in ("", "[", "{}", "1", '[{"op":"x","path":"/a"}]', "[{}]")),
    *(("PATCH", CONF, body, STRATEGIC) for body in ("{", "[]", "1")),
    *(("PATCH", f"{CONF}?fieldManager=m", body, APPLY) for body in ("", "{", "- a", "1", "{]")),
    ("PATCH", CONF, [{"op": "remove", "path": "/data/none"}], JSON_PATCH),
    ("PATCH", CONF, [{"op": "test", "path": "/data/a", "value": "z"}], JSON_PATCH),
    ("PATCH", CONF, [{"op": "replace", "path": "/metadata/name", "value": "z"}], JSON_PATCH),
    ("PATCH", CONF, [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}], JSON_PATCH),
    ("PATCH", CONF, {"metadata": {"name": "z"}}, MERGE),
    ("PATCH", CONF, {"metadata": {"uid": "z"}}, MERGE),
    ("PATCH", CONF, {"metadata": {"labels": {"k": "bad value!"}, "finalizers": ["nope"]}}, MERGE),
    ("PATCH", CONF, {"metadata": {"labels": None, "finalizers": [None]}}, MERGE),
    ("PATCH", CONF, [{"op": "replace", "path": "/metadata", "value": [None]}], JSON_PATCH),
    ("PATCH", CONF, {"data": {"a": 1}}, STRATEGIC),
    ("PATCH", CONF, {"data": {"a": True}}, STRATEGIC),
    ("PATCH", CONF, {"data": []}, STRATEGIC),
    ("PATCH", CONF, {"metadata": 0}, STRATEGIC),
    ("PATCH", CONF, {"metadata": {"finalizers": ""}}, STRATEGIC),
    ("PATCH", WEB, {"spec": {"replicas": "x"}}, STRATEGIC),
    ("PATCH", WEB, {"spec": {"replicas": 1.5}}, STRATEGIC),
    ("PATCH", WEB, {"spec": {"paused": "yes"}}, STRATEGIC),
    ("PATCH", WEB, {"spec": {"strategy": {"type": 1}}}, STRATEGIC),
    ("PATCH", WEB, {"spec": {"template": {"spec": {"containers": {}}}}}, STRATEGIC),
    ("PATCH", f"{CONF}?force=true", {}, MERGE),
    ("PATCH", f"{CONFIG}/none", {}, MERGE),
    ("PATCH", CONF, conf(), APPLY),
    ("PATCH", f"{CONF}?fieldManager=m", {"metadata": {"name": "conf"}}, APPLY),
    ("PATCH", f"{CONF}?fieldManager=m", meta(managedFields=[{}]), APPLY),
    ("PATCH", f"{CONF}?fieldManager=m", conf(data={"a": "z"}), APPLY),
    ("PATCH", f"{CONF}?fieldManager=m", conf(data={"a": 1}), APPLY),
    ("PATCH", f"{CONF}?fieldManager=m", conf(nope={"a": "z"}), APPLY),
    ("PATCH", WEB, {"spec": {"selector": {"matchLabels": {"app": "z"}}}}, MERGE),
    ("PATCH", f"{SERVICES}/web", {"spec": {"clusterIP": "1.2.3.4"}}, MERGE),
    ("PATCH", f"{SECRETS}/key", {"type": "x"}, MERGE),
    ("PUT", f"{WEB}/scale", scale(spec={"replicas": -1}), ""),
    ("PUT", f"{WEB}/scale", scale(spec={"replicas": "x"}), ""),
    ("PUT", f"{WEB}/scale", scale(spec=5), ""),
    ("PUT", f"{WEB}/scale", scale(kind="Deployment", apiVersion="apps/v1"), ""),
    ("PUT", f"{WEB}/scale", scale(metadata={"name": "other"}, spec={"replicas": 3}), ""),
    ("PUT", f"{WEB}/scale?fieldValidation=Strict", scale(spec={"replicas": 3}, nope=1), ""),
    ("PUT", f"{WORKLOADS}/none/scale", scale(metadata={"name": "none"}, spec={"replicas": 3}), ""),
    ("PATCH", f"{WEB}/scale", {"spec": {"replicas": -1}}, MERGE),
    ("POST", f"{WEB}/scale", scale(), ""),
    ("DELETE", f"{WEB}/scale", "", ""),
    ("POST", f"{WEB}/status", workload(), ""),
    ("DELETE", f"{CONFIG}/none", "", ""),
    ("DELETE", "/api/v1/configmaps", "", ""),
    ("DELETE", "/api/v1/namespaces", "", ""),
    ("DELETE", f"{CONFIG}?labelSelector=a%3D%3D%3Db", "", ""),
    ("DELETE", f"{CONF}?dryRun=Bogus", "", ""),
    ("DELETE", f"{CONF}?gracePeriodSeconds=abc", "", ""),
    ("DELETE", f"{CONF}?propagationPolicy=Nope", "", ""),
    ("DELETE", CONF, {"preconditions": {"uid": "x"}}, ""),
    ("DELETE", CONF, {"preconditions": {"resourceVersion": "1"}}, ""),
    ("DELETE", CONF, {"propagationPolicy": "Bogus"}, ""),
    ("DELETE", CONF, {"gracePeriodSeconds": "x"}, ""),
    ("DELETE", CONF, {"orphanDependents": True, "propagationPolicy": "Orphan"}, ""),
    ("OPTIONS", CONFIG, "", ""),
    ("HEAD", CONFIG, "", ""),
]

NOT_THERE = [
    *(
        "/api/v2/pods",
        "/api/v1/nope",
        "/apis/none/v1/x",
        "/apis/apps/v9",
        "/nonsense",
        f"{CONF}/nope",
        f"{WEB}/scale/more",
    ),
    *(f"/api/v1/namespaces/{SPACE}/deployments", f"/apis/apps/v1beta1/namespaces/{SPACE}/deployments"),
    *(f"{CONFIG}/none", f"{CONFIG}/none?resourceVersion=0"),
]
QUERIES = [
    *("labelSelector=%21%21", "labelSelector=a+in+%28", "fieldSelector=a", "fieldSelector=spec.x%3Dy"),
    *("limit=x", "resourceVersion=x", "continue=zzz", "timeout=x", "watch=1&timeoutSeconds=x", "watch=1&limit=x"),
    *("resourceVersionMatch=Exact", "resourceVersion=0&resourceVersionMatch=Exact"),
    *("resourceVersion=5&resourceVersionMatch=Nope", "sendInitialEvents=true", "watch=1&sendInitialEvents=true"),
]


@pytest.fixture(scope="module")
def asked(both: SideBySide, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[http.client.HTTPSConnection]]:
    """Connections of administrators to the gateway and to the kube-apiserver, where the same objects live."""
    folder: Path = tmp_path_factory.mktemp("bad-input")
    with both.namespace(SPACE):
        both.same("create", "-f", "-", stdin=SHOP.replace("SPACE", SPACE))
        connections = []
        for kubeconfig in (both.gateway.kubeconfig, both.kube.kubeconfig):
            context, cluster = tls(kubeconfig, folder)
            address = cluster["server"].removeprefix("https://")
            connections.append(http.client.HTTPSConnection(address, context=context, timeout=30))
        yield connections
        for connection in connections:
            connection.close()
        both.same("get", "-f", "-", stdin=SHOP.replace("SPACE", SPACE))


def told(answer: tuple[int, Any, http.client.HTTPMessage]) -> tuple[int, Any, Any]:
    """Return code, reason and message without what only the server at hand can say."""
    code, said, _ = answer
    if not isinstance(said, dict):
        return code, None, said
    message = said["message"]
    for pattern, instead in (
        (r'in scheme "[^"]+"', "in scheme"),
        (r"Key: /\w+/", "Key: /"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
        (r"in record \(\d+\)", "in record"),
    ):
        message = re.sub(pattern, instead, message)
    return code, said.get("reason"), message


def compare(asked: list[http.client.HTTPSConnection], method: str, path: str, body: Any, media_type: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"Content-Type": media_type or "application/json", "Accept": "application/json"}
    ours, theirs = (told(ask(connection, method, path, data or None, **headers)) for connection in asked)
    assert theirs[0] >= 400, "the table holds bad input only"
    assert ours == theirs


@pytest.mark.parametrize(("path", "body", "media_type"), BODIES)
def test_bodies(asked: list[http.client.HTTPSConnection], path: str, body: Any, media_type: str) -> None:
    compare(asked, "POST", path, body, media_type)


@pytest.mark.parametrize(("method", "path", "body", "media_type"), CHANGES)
def test_changes(asked: list[http.client.HTTPSConnection], method: str, path: str, body: Any, media_type: str) -> None:
    compare(asked, method, path, body, media_type)


@pytest.mark.parametrize("path", NOT_THERE)
def test_paths(asked: list[http.client.HTTPSConnection], path: str) -> None:
    compare(asked, "GET", path, "", "")


@pytest.mark.parametrize("query", QUERIES)
def test_queries(asked: list[http.client.HTTPSConnection], query: str) -> None:
    compare(asked, "GET", f"{CONFIG}?{query}", "", "")
