"""The form of write answers and of refusals: what the embedded store says is what a real kube-apiserver says."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.side_by_side import SideBySide
from tests.e2e.test_gateway_access import ask, tls

SPACE = "answers"
MAPS = f"/api/v1/namespaces/{SPACE}/configmaps"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
ROLES = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SPACE}/roles"
MERGE, JSON, JSON_PATCH = "application/merge-patch+json", "application/json", "application/json-patch+json"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
UNSHARED = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b\d+s\b|<invalid>")


def config_map(name: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"of": "test"}}, "data": {}}


def deployment(name: str) -> Any:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


class Pair:
    """Sends one request to both."""

    def __init__(self, both: SideBySide, folder: Path) -> None:
        self._connections = []
        for number, (kubectl, address) in enumerate(
            ((both.gateway, f"127.0.0.1:{both._gateway.port}"), (both.kube, both._plane.url.removeprefix("https://")))
        ):
            place = folder / str(number)
            place.mkdir()
            context, _ = tls(kubectl.kubeconfig, place)
            self._connections.append(http.client.HTTPSConnection(address, context=context, timeout=30))

    def send(self, method: str, path: str, body: Any = None, kind: str = JSON, accept: str = JSON) -> list[Any]:
        encoded = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, **({"Content-Type": kind} if encoded else {})}
        return [ask(one, method, path, encoded, **headers) for one in self._connections]

    def same(self, method: str, path: str, body: Any = None, kind: str = JSON, accept: str = JSON) -> tuple[int, Any]:
        """Compare the two answers; returns the one."""
        ours, theirs = self.send(method, path, body, kind, accept)
        assert shown(ours) == shown(theirs)
        return ours[0], ours[1]

    def close(self) -> None:
        for one in self._connections:
            one.close()


def shown(answer: tuple[int, Any, http.client.HTTPMessage]) -> tuple[int, str, str]:
    code, body, headers = answer
    text = json.dumps(_without_unshared(body), sort_keys=True)
    return code, str(headers.get("Content-Type")), UNSHARED.sub("UNSHARED", text)


def _without_unshared(value: Any) -> Any:
    """Leave out versions, who manages which field, and the descriptions of columns, which are in words of our own."""
    if isinstance(value, dict):
        left_out = {"resourceVersion", "managedFields", "description"}
        return {name: _without_unshared(one) for name, one in value.items() if name not in left_out}
    return [_without_unshared(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def pair(both: SideBySide, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    pair = Pair(both, tmp_path_factory.mktemp("answers"))
    pair.send("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
    yield pair
    pair.send("DELETE", f"/api/v1/namespaces/{SPACE}")
    pair.close()


@pytest.mark.parametrize("query", ["", "?includeObject=None", "?includeObject=Metadata", "?dryRun=All"])
def test_tables(pair: Pair, query: str) -> None:
    name = f"table-{len(query)}"
    assert pair.same("POST", MAPS + query, config_map(name), accept=TABLE)[1]["kind"] == "Table"
    pair.send("POST", MAPS, config_map(name))
    for change in ({"data": {"a": "b"}}, {}):
        assert pair.same("PATCH", f"{MAPS}/{name}{query}", change, MERGE, TABLE)[0] == 200
    assert pair.same("PUT", f"{MAPS}/{name}{query}", config_map(name), accept=TABLE)[0] == 200
    assert pair.same("DELETE", f"{MAPS}/{name}{query}", accept=TABLE)[1]["kind"] == "Status"


def test_tables_of_other_kinds(pair: Pair) -> None:
    assert pair.same("POST", DEPLOYMENTS, deployment("web"), accept=TABLE)[0] == 201
    assert pair.same("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, MERGE, TABLE)[0] == 200
    assert pair.same("PATCH", f"{DEPLOYMENTS}/web/status", {"status": {}}, MERGE, TABLE)[0] == 200
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": []}
    assert pair.same("POST", ROLES, role, accept=TABLE)[0] == 201


@pytest.mark.parametrize("accept", [TABLE, METADATA_LIST])
def test_collections(pair: Pair, accept: str) -> None:
    for name in ("one", "two"):
        pair.send("POST", MAPS, config_map(name))
    selected = f"{MAPS}?labelSelector=of%3Dtest"
    for query in ("&dryRun=All", ""):
        assert pair.same("DELETE", selected + query, accept=accept)[0] == 200


def test_metadata_only(pair: Pair) -> None:
    assert pair.same("POST", MAPS, config_map("meta"), accept=METADATA)[0] == 201
    assert pair.same("PATCH", f"{MAPS}/meta", {"data": {"a": "b"}}, MERGE, METADATA)[0] == 200
    pair.send("DELETE", f"{MAPS}/meta")


@pytest.mark.parametrize(
    "accept", ["image/png", "application/json;as=Nothing;g=meta.k8s.io;v=v1", f"{TABLE},image/png;q=0.1", "text/*"]
)
def test_what_cannot_be_answered(pair: Pair, accept: str) -> None:
    name = "unanswered"
    pair.send("DELETE", f"{MAPS}/{name}")
    code = pair.same("POST", MAPS, config_map(name), accept=accept)[0]
    assert pair.same("GET", f"{MAPS}/{name}", accept="application/json;q=0.5,*/*")[0] == (404 if code == 406 else 200)
    pair.same("DELETE", f"{MAPS}/{name}", accept=accept)
    pair.same("DELETE", f"{MAPS}?labelSelector=of%3Dtest", accept=accept)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [f"/api/v1/watch/namespaces/{SPACE}/configmaps", "/apis/apps/v1/watch/deployments"])
def test_watch_paths_are_only_read(pair: Pair, method: str, path: str) -> None:
    for full in (path, f"{path}/one" if "namespaces" in path else path):
        assert pair.same(method, full, config_map("one"), MERGE)[0] == 405


REFUSED: list[tuple[str, str, Any, str]] = [
    ("GET", f"{MAPS}/missing", None, JSON),
    ("DELETE", f"{MAPS}/missing", None, JSON),
    ("PATCH", f"{MAPS}/missing", {}, MERGE),
    ("POST", f"{MAPS}/missing", {}, JSON),
    ("PUT", MAPS, {}, JSON),
    ("DELETE", "/api/v1/namespaces", None, JSON),
    ("PATCH", f"{MAPS}/kept", {}, "text/plain"),
    ("PATCH", f"{MAPS}/kept", [{"op": "test", "path": "/data/a", "value": "z"}], JSON_PATCH),
    (
        "PATCH",
        f"{MAPS}/kept",
        [{"op": "test", "path": "/metadata/labels/fleetgate.io~1cluster", "value": "m"}],
        JSON_PATCH,
    ),
    ("PATCH", f"{MAPS}/kept", [{"op": "nope"}], JSON_PATCH),
    ("PATCH", f"{MAPS}/kept", {"metadata": {"resourceVersion": "1"}}, MERGE),
    ("DELETE", f"{MAPS}/kept", {"preconditions": {"uid": "other"}}, JSON),
    ("POST", MAPS, config_map("kept"), JSON),
    ("POST", MAPS, config_map("Not Allowed"), JSON),
    ("POST", MAPS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}, JSON),
    ("POST", MAPS, config_map("x"), "text/plain"),
    ("GET", f"{MAPS}?limit=x", None, JSON),
    ("GET", f"{MAPS}?resourceVersion=x", None, JSON),
    ("GET", f"{MAPS}?labelSelector=%21%21", None, JSON),
    ("GET", "/apis/apps/v1/nothing", None, JSON),
    ("GET", "/apis/apps/v9", None, JSON),
    ("GET", "/apis/apps/v9/deployments", None, JSON),
    ("GET", "/api/v1/configmaps/one/two", None, JSON),
    ("DELETE", "/version", None, JSON),
]


@pytest.mark.parametrize(("method", "path", "body", "kind"), REFUSED)
def test_refusals_to_the_last_field(pair: Pair, method: str, path: str, body: Any, kind: str) -> None:
    pair.send("POST", MAPS, config_map("kept"))
    assert pair.same(method, path, body, kind)[0] >= 400
