"""The tunnel and the streams alone, between every kubectl at hand and a real member: SPDY/3.1 and WebSocket."""

import asyncio
import hashlib
import json
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from aiohttp import web

from gateway.apimachinery.errors import ApiError
from gateway.clusters.kubeconfig import KubeconfigCredentials, read_kubeconfig
from gateway.clusters.upstream import Upstream
from gateway.handlers.body import read_body
from gateway.proxy.forward import forward
from gateway.proxy.upgrade import requested_protocol, tunnel
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.environment.kubelet import ECHO_PORT
from tests.e2e.environment.ports import free_port
from tests.support.http_server import serve
from tests.support.tls import Authority

ADMIN = UserInfo("carol", groups=("system:masters",))
POD = "tunnelled"
VERSIONS = ["kubectl", "kubectl.1.27", "kubectl.1.29", "kubectl.1.30", "kubectl.1.31", "kubectl.1.33"]
"""1.27 speaks SPDY alone, 1.30 execs over WebSockets, 1.31 forwards ports over them as well."""


@contextmanager
def passing_gateway(member: ControlPlane, authority: Authority) -> Iterator[str]:
    """A server in a thread of its own that passes everything on to a member; yields its URL."""
    started: list[str] = []
    ready, loop = threading.Event(), uvloop.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        path = member.kubeconfig
        upstream = Upstream(member.name, read_kubeconfig(path).endpoint(), KubeconfigCredentials(path), now=time.time)

        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            try:
                info = parse_request_info(request.method, request.rel_url.raw_path, dict(request.query))
                scope = RequestScope(info, ADMIN, ADMIN, "audit")
                if requested_protocol(request.headers):
                    return await tunnel(request, scope, upstream)
                return await forward(request, scope, upstream, body=await read_body(request) or None)
            except ApiError as error:
                return web.json_response(error.status, status=error.code)

        async with serve(handler, authority.server_context) as url:
            started.append(url)
            ready.set()
            await stop.wait()
        await upstream.close()

    thread = threading.Thread(target=loop.run_until_complete, args=[main()])
    thread.start()
    try:
        assert ready.wait(10)
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def member(fleet: Fleet) -> Iterator[ControlPlane]:
    """A member with one running Pod."""
    member = fleet.members["member1"]
    path = "/api/v1/namespaces/default/pods"
    spec = {"containers": [{"name": "c", "image": "example.invalid/c"}], "terminationGracePeriodSeconds": 0}
    member.client.request("POST", path, {"metadata": {"name": POD}, "spec": spec})
    for _ in range(300):
        if member.client.request("GET", f"{path}/{POD}").get("status", {}).get("phase") == "Running":
            break
        time.sleep(0.1)
    yield member
    member.client.request("DELETE", f"{path}/{POD}")


@pytest.fixture(scope="module")
def kubeconfig(member: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A kubeconfig that leads to the member through the tunnel."""
    authority, folder = Authority(), tmp_path_factory.mktemp("tunnel")
    (folder / "ca.crt").write_bytes(authority.bundle)
    with passing_gateway(member, authority) as url:
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(folder / "ca.crt")}}],
            "users": [{"name": "u", "user": {"token": "not-for-the-member"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(document))
        yield path


@pytest.fixture(params=VERSIONS)
def client(request: pytest.FixtureRequest, all_kubectls: dict[str, Path], kubeconfig: Path, tmp_path: Path) -> Kubectl:
    """kubectl of one version; where that is not at hand, the one that was built."""
    return Kubectl(all_kubectls.get(request.param, all_kubectls["kubectl"]), kubeconfig, tmp_path)


def test_exec_gives_output_errors_and_the_exit_code(client: Kubectl) -> None:
    done = client.run("exec", POD, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err\n" in done.stderr
    assert client.output("exec", POD, "--", "printenv", "MEMBER") == "member1\n"


def test_exec_passes_input_to_its_end(client: Kubectl) -> None:
    text = "".join(random.Random(7).choices("abc\n", k=300_000))
    assert client.output("exec", "-i", POD, "--", "cat", stdin=text) == text


def test_arguments_arrive_as_they_were_typed(client: Kubectl) -> None:
    words = ["a b", "ü&=%2F?#", "", "--x=$HOME", "*"]
    assert client.output("exec", POD, "--", "printf", "%s|", *words) == "".join(f"{word}|" for word in words)


def test_files_are_copied_both_ways(client: Kubectl, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(5_000_000)
    (tmp_path / "source").write_bytes(content)
    client.output("cp", str(tmp_path / "source"), f"{POD}:{tmp_path}/there")
    client.output("cp", f"{POD}:{tmp_path}/there", str(tmp_path / "back"))
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(content).digest()


def test_logs_are_followed(client: Kubectl, member: ControlPlane) -> None:
    assert "hello from member1\n" in client.output("logs", POD)
    with client.follow("logs", "-f", "--tail=1", POD) as logs:
        logs.next_line()
        member.log_line("said through the tunnel")
        assert logs.next_line() == "said through the tunnel"


def test_ports_are_forwarded(client: Kubectl) -> None:
    page, echo = free_port(), free_port()
    with client.follow("port-forward", POD, f"{page}:80", f"{echo}:{ECHO_PORT}") as forward_:
        forward_.next_line(lambda line: line.startswith(f"Forwarding from 127.0.0.1:{echo}"))
        for number in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/page{number}") as response:
                assert response.read() == f"member1 /page{number}\n".encode()
        with socket.create_connection(("127.0.0.1", echo), timeout=10) as connection:
            sent = random.Random(2).randbytes(1_000_000)
            threading.Thread(target=connection.sendall, args=[sent], daemon=True).start()
            received = b""
            while len(received) < len(sent):
                received += connection.recv(65536)
            assert received == sent
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""


def test_a_refused_command_is_explained(client: Kubectl) -> None:
    done = client.run("exec", "absent", "--", "true")
    assert done.returncode == 1
    assert 'pods "absent" not found' in done.stderr


def test_a_client_that_is_killed_ends_the_command(client: Kubectl, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    with client.follow(
        "exec", POD, "--", "sh", "-c", f"echo on; while sleep 0.1; do echo x >> {alive} || exit; echo y; done"
    ) as shell:
        shell.next_line(lambda line: line == "y")
    before = alive.stat().st_size
    for _ in range(100):
        time.sleep(0.3)
        size = alive.stat().st_size
        if size == before:
            return
        before = size
    raise AssertionError("the command in the member still runs")


def test_writes_and_lists_pass_too(client: Kubectl) -> None:
    assert client.output("get", "pod", POD, "-o", "name") == f"pod/{POD}\n"
    client.output("label", "pod", POD, "tunnel=yes", "--overwrite")
    assert client.output("get", "pods", "-l", "tunnel=yes", "-o", "name") == f"pod/{POD}\n"
