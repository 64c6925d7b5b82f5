"""logs, exec, attach, cp and port-forward on merged Pods, by every kubectl at hand: the cluster is never named."""

import socket
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.environment.ports import free_port
from tests.e2e.gateway import Gateway


@pytest.fixture(params=["member1", "member2"])
def pod(request: pytest.FixtureRequest, gateway: Gateway) -> tuple[str, str]:
    """A Pod of a member: the member's name, the Pod's."""
    plane = gateway.fleet.members[request.param]
    listed = gateway.kubectl(plane.kubeconfig).output("get", "pods", "-n", "search", "-o", "name")
    return request.param, listed.split()[0].removeprefix("pod/")


def test_exec_reaches_the_owning_member(gateway: Gateway, all_kubectls: dict[str, Path], pod: tuple[str, str]) -> None:
    member, name = pod
    for version, program in all_kubectls.items():
        client = gateway.kubectl(gateway.admin, program)
        said = client.output("exec", "-n", "search", name, "--", "sh", "-c", "echo running in $MEMBER")
        assert said == f"running in {member}\n", version


def test_exec_carries_input_exit_codes_and_large_output(admin: Kubectl, pod: tuple[str, str]) -> None:
    _, name = pod
    text = "line\n" * 20_000
    assert admin.output("exec", "-i", "-n", "search", name, "--", "cat", stdin=text) == text
    assert admin.run("exec", "-n", "search", name, "--", "sh", "-c", "exit 7").returncode == 7


def test_copy_there_and_back(admin: Kubectl, pod: tuple[str, str], tmp_path: Path) -> None:
    _, name = pod
    source, target, back = tmp_path / "a.bin", tmp_path / "b.bin", tmp_path / "c.bin"
    source.write_bytes(bytes(range(256)) * 4_000)
    admin.output("cp", str(source), f"search/{name}:{target}")
    assert target.read_bytes() == source.read_bytes()
    admin.output("cp", f"search/{name}:{target}", str(back))
    assert back.read_bytes() == source.read_bytes()


def test_logs_and_their_following(gateway: Gateway, admin: Kubectl, pod: tuple[str, str]) -> None:
    member, name = pod
    plane = gateway.fleet.members[member]
    plane.log_line(f"first of {member}")
    assert f"first of {member}\n" in admin.output("logs", "-n", "search", name)
    with admin.follow("logs", "-f", "-n", "search", name) as lines:
        lines.next_line(lambda line: line.strip() == f"first of {member}")
        plane.log_line(f"second of {member}")
        lines.next_line(lambda line: line.strip() == f"second of {member}")


def test_port_forward_by_every_kubectl(gateway: Gateway, all_kubectls: dict[str, Path], pod: tuple[str, str]) -> None:
    member, name = pod
    for version, program in all_kubectls.items():
        port = free_port()
        client = gateway.kubectl(gateway.admin, program)
        with client.follow(
            "port-forward", "-n", "search", f"pod/{name}", f"{port}:80", "--address", "127.0.0.1"
        ) as lines:
            lines.next_line(lambda line: line.startswith("Forwarding"))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=10) as answer:
                assert answer.read().decode().strip() == f"{member} /page", version


def test_port_forward_keeps_bytes_in_order(admin: Kubectl, pod: tuple[str, str]) -> None:
    _, name = pod
    port = free_port()
    sent = bytes(range(256)) * 1_000
    with admin.follow("port-forward", "-n", "search", f"pod/{name}", f"{port}:7", "--address", "127.0.0.1") as lines:
        lines.next_line(lambda line: line.startswith("Forwarding"))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(sent)
            received = b""
            while len(received) < len(sent):
                received += connection.recv(65536)
    assert received == sent


def test_the_member_sees_the_caller_not_the_gateway(gateway: Gateway, admin: Kubectl, pod: tuple[str, str]) -> None:
    member, name = pod
    admin.output("exec", "-n", "search", name, "--", "true")
    events = gateway.fleet.members[member].audit_events()
    references = [(event, event.get("objectRef") or {}) for event in events]
    execs = [event for event, about in references if (about.get("subresource"), about.get("name")) == ("exec", name)]
    assert execs
    assert {(event.get("impersonatedUser") or {}).get("username") for event in execs} == {"admin"}


def test_a_pod_that_does_not_exist(admin: Kubectl) -> None:
    done = admin.run("logs", "-n", "search", "nothing-of-this-name")
    assert done.returncode == 1
    assert 'pods "nothing-of-this-name" not found' in done.stderr
