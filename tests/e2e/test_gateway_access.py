"""Who may do what: revocation on open connections, RBAC of the store, forged identities, bad input."""

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway, fleetgate

VIEWER = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewers, namespace: shop}
subjects: [{kind: User, name: USER, apiGroup: rbac.authorization.k8s.io}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
"""


def tls(kubeconfig: Path, folder: Path) -> tuple[ssl.SSLContext, dict[str, Any]]:
    """A TLS context with the identity of a kubeconfig, and its cluster entry."""
    import base64

    document = yaml.safe_load(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    files = {}
    for name, data in (("crt", user["client-certificate-data"]), ("key", user["client-key-data"])):
        files[name] = folder / f"client.{name}"
        files[name].write_bytes(base64.b64decode(data))
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    context.load_cert_chain(files["crt"], files["key"])
    return context, cluster


@pytest.fixture
def connection(gateway: Gateway, tmp_path: Path) -> Iterator[http.client.HTTPSConnection]:
    """An open connection of the administrator."""
    context, _ = tls(gateway.admin, tmp_path)
    opened = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=30)
    yield opened
    opened.close()


def ask(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any, http.client.HTTPMessage]:
    """Send a request; the status, the body (decoded where it is JSON) and the headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    data = answer.read()
    text = data.decode(errors="replace")
    return answer.status, json.loads(text) if text.startswith("{") else text, answer.headers


def test_a_revoked_certificate_is_refused_on_an_open_connection(gateway: Gateway, tmp_path: Path) -> None:
    kubeconfig = gateway.issue("mallory", ["fleetgate:admins"])
    context, _ = tls(kubeconfig, tmp_path)
    opened = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=30)
    assert ask(opened, "GET", "/api/v1/pods?limit=1")[0] == 200
    socket_before = opened.sock
    with gateway.kubectl(kubeconfig).follow("get", "pods", "-A", "-w") as watch:
        watch.next_line()
        listed = fleetgate("certs", "list", "--data-dir", str(gateway.data_dir)).stdout
        serial = next(line.split()[0] for line in listed.splitlines() if " mallory " in line)
        revoked = fleetgate("certs", "revoke", serial, "--data-dir", str(gateway.data_dir))
        assert revoked.returncode == 0, revoked.stderr
        status, body, _ = ask(opened, "GET", "/api/v1/pods?limit=1")
        assert (status, body["reason"]) == (401, "Unauthorized")
        assert opened.sock is socket_before, "the same connection was used"
        watch.wait(timeout=10)
    opened.close()


def test_an_unprivileged_user_sees_what_rbac_says(gateway: Gateway, admin: Kubectl) -> None:
    nobody = gateway.kubectl(gateway.issue("nobody"))
    refused = nobody.run("get", "pods", "-A")
    assert refused.returncode == 1
    assert (
        'pods is forbidden: User "nobody" cannot list resource "pods" in API group "" at the cluster scope'
        in refused.stderr
    )
    assert nobody.run("get", "--raw", "/metrics").returncode == 1
    assert nobody.output("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}") == "nobody"
    assert nobody.run("auth", "can-i", "list", "pods").stdout.strip() == "no"
    admin.output("create", "-f", "-", stdin=VIEWER.replace("USER", "nobody"))
    try:
        deadline_table = nobody.run("get", "pods", "-n", "shop")
        for _ in range(30):
            if deadline_table.returncode == 0:
                break
            deadline_table = nobody.run("get", "pods", "-n", "shop")
        assert deadline_table.returncode == 0, deadline_table.stderr
        name = deadline_table.stdout.splitlines()[1].split()[0]
        assert nobody.run("get", "pods", "-n", "payments").returncode == 1
        assert nobody.run("get", "pod", "-n", "payments", name).returncode == 1
        executed = nobody.run("exec", "-n", "shop", name, "--", "true")
        assert executed.returncode == 1
        assert 'cannot create resource "pods/exec"' in executed.stderr
        assert nobody.run("delete", "pod", "-n", "shop", name).returncode == 1
        assert nobody.run("get", "--raw", "/clusters/member1/api/v1/pods").returncode == 1
        listed = nobody.run("get", "pods", "-A", "--field-selector", "metadata.namespace=shop")
        assert listed.returncode == 1, "a selector never widens a right"
    finally:
        admin.output("delete", "rolebinding", "-n", "shop", "viewers")


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Remote_User": "system:admin"},
        {"X-Remote-User": "system:admin", "X-Remote-Group": "system:masters"},
        {"X-Forwarded-User": "root", "Forwarded": "for=1.2.3.4"},
    ],
)
def test_forged_identity_headers_change_nothing(
    connection: http.client.HTTPSConnection, headers: dict[str, str]
) -> None:
    connection.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", b"{}", headers)
    answer = connection.getresponse()
    user = json.loads(answer.read())["status"]["userInfo"]
    assert user["username"] == "admin"
    assert user["groups"] == ["fleetgate:admins", "system:authenticated"]


def test_impersonation_asks_for_the_right(gateway: Gateway, admin: Kubectl) -> None:
    said = admin.output("auth", "whoami", "--as", "jane", "--as-group", "dev", "-o", "json")
    assert json.loads(said)["status"]["userInfo"]["username"] == "jane"
    assert admin.run("get", "pods", "-A", "--as", "jane").returncode == 1
    someone = gateway.kubectl(gateway.issue("someone"))
    refused = someone.run("get", "pods", "-A", "--as", "admin")
    assert 'User "someone" cannot impersonate resource "users"' in refused.stderr
    for group in ("system:masters", "system:nodes"):
        assert admin.run("get", "ns", "--as", "jane", "--as-group", group).returncode == 1


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
UNSUPPORTED = (415, "UnsupportedMediaType")
BAD = (400, "BadRequest")

CASES: list[tuple[str, str, bytes | None, dict[str, str], int, str]] = [
    ("POST", CONFIG_MAPS, b"{", {}, 400, "BadRequest"),
    ("POST", CONFIG_MAPS, b'{"kind":"ConfigMap"', {}, 400, "BadRequest"),
    ("POST", CONFIG_MAPS, b"x" * (3 * 1024 * 1024 + 1), {}, 413, "RequestEntityTooLarge"),
    ("POST", CONFIG_MAPS, b"<x/>", {"Content_Type": "text/xml"}, *UNSUPPORTED),
    ("GET", "/api/v1/pods?labelSelector=a%3D%3D%3Db", None, {}, 400, "BadRequest"),
    ("GET", "/api/v1/pods?fieldSelector=nonsense%3Dx", None, {}, 400, "BadRequest"),
    ("GET", "/api/v1/pods?resourceVersion=abc", None, {}, 400, "BadRequest"),
    ("GET", "/api/v1/pods?continue=abc", None, {}, 400, "BadRequest"),
    ("GET", "/api/v1/pods?limit=abc", None, {}, 400, "BadRequest"),
    ("GET", "/api/v1/pods?resourceVersionMatch=Exact", None, {}, 422, "Invalid"),
    ("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", None, {}, 422, "Invalid"),
    ("GET", "/api/v1/pods?resourceVersion=99999999999999999", None, {}, 504, "Timeout"),
    ("GET", "/api/v1/pods", None, {"Accept": "text/html"}, 406, "NotAcceptable"),
    ("GET", "/api/v1/namespaces/default/pods/none", None, {}, 404, "NotFound"),
    ("GET", "/api/v1/pods?timeout=abc", None, {}, 400, "BadRequest"),
    ("PATCH", f"{CONFIG_MAPS}/x", b"{}", {"Content_Type": "text/plain"}, *UNSUPPORTED),
    ("PUT", f"{CONFIG_MAPS}/a", b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"b"}}', {}, *BAD),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "headers", "code", "reason"), CASES)
def test_bad_input_gets_the_status_of_a_kube_apiserver(
    gateway: Gateway,
    tmp_path: Path,
    connection: http.client.HTTPSConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    code: int,
    reason: str,
) -> None:
    status, said, answered = ask(connection, method, path, body, **headers)
    assert (status, said["reason"], said["code"], said["kind"]) == (code, reason, code, "Status")
    assert answered["Audit-Id"]
    plane = gateway.fleet.federation
    context, _ = tls(plane.kubeconfig, tmp_path)
    direct = http.client.HTTPSConnection("127.0.0.1", int(plane.url.rpartition(":")[2]), context=context, timeout=30)
    expected = ask(direct, method, path, body, **headers)
    direct.close()
    assert (expected[0], expected[1]["reason"]) == (code, reason), "the table itself is what a kube-apiserver says"
    if "continue" not in path and "resourceVersion=9" not in path:
        assert said["message"] == expected[1]["message"]


@pytest.mark.parametrize("path", ["/apis/nonsense/v1/x", "/nonsense", "/apis/nonsense/v1/namespaces/a/pods"])
def test_unknown_paths(connection: http.client.HTTPSConnection, path: str) -> None:
    status, said, answered = ask(connection, "GET", path)
    assert (status, said.strip(), answered["Content-Type"]) == (404, "404 page not found", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    "path", ["/api/v1/namespaces/default/pods/..%2f..", "/api/%2e%2e/v1", "/clusters/x/%2e%2e/api"]
)
def test_path_tricks(connection: http.client.HTTPSConnection, path: str) -> None:
    assert ask(connection, "GET", path)[0] == 400


def test_nobody_without_a_certificate_sees_more_than_health(gateway: Gateway) -> None:
    def code(path: str) -> str:
        return subprocess.run(
            ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"{gateway.url}{path}"],
            capture_output=True, text=True, check=True, timeout=20,
        ).stdout  # fmt: skip

    assert [code(path) for path in ("/livez", "/readyz", "/healthz")] == ["200"] * 3
    assert {code(path) for path in ("/version", "/metrics", "/api", "/api/v1/pods", "/openapi/v3")} == {"401"}
