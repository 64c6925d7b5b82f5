"""A gateway of several processes on one port: to clients it is one, whichever of them they meet."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.fleet import Fleet
from tests.e2e.gateway import Gateway, fleetgate
from tests.e2e.test_gateway_access import ask, tls
from tests.e2e.test_gateway_informers import union
from tests.e2e.test_gateway_restart import create, delete, label, lists
from tests.e2e.test_read_your_writes import Writer
from tests.support.processes import is_alive

PROCESSES = 3
CONNECTIONS = 12
"""So many that each process has some: that one has none happens once in a hundred runs, and then less is shown."""


@pytest.fixture(scope="module")
def crowd(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("workers")
    with Gateway(seeded_fleet, binaries["kubectl"], folder, "--workers", str(PROCESSES), remote=False) as gateway:
        gateway.join(*seeded_fleet.members.values())
        yield gateway


def workers(gateway: Gateway) -> Sequence[int]:
    """The processes beside the core."""
    found = subprocess.run(
        ["pgrep", "-P", str(gateway.process.pid), "-f", "gateway.workers"], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def measured(gateway: Gateway, name: str) -> float:
    """A number of /metrics; 0 where there is none."""
    for line in gateway.kubectl(gateway.admin).output("get", "--raw", "/metrics").splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def wait_for_workers(gateway: Gateway) -> None:
    gateway.process.wait_until(lambda: measured(gateway, "fleetgate_workers") == PROCESSES - 1, 60)


@contextmanager
def connections(gateway: Gateway, kubeconfig: Path, folder: Path) -> Iterator[Sequence[http.client.HTTPSConnection]]:
    """Open connections that are spread over the processes."""
    context, _ = tls(kubeconfig, folder)
    opened = [
        http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=30) for _ in range(CONNECTIONS)
    ]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def test_every_process_answers_alike(crowd: Gateway, tmp_path: Path) -> None:
    with connections(crowd, crowd.admin, tmp_path) as opened:
        for path in (
            "/api/v1/pods",
            "/api/v1/namespaces/shop/pods?labelSelector=app",
            "/api/v1/pods?limit=7",
            "/api/v1/events",
            "/apis/events.k8s.io/v1/events",
            "/api/v1/namespaces",
            "/apis",
            "/api/v1/namespaces/shop/pods/none",
        ):
            answers = []
            for connection in opened:
                status, body, headers = ask(connection, "GET", path)
                body.get("metadata", {}).pop("continue", None)
                answers.append((status, body, headers["Content-Type"]))
            items = [[item["metadata"]["resourceVersion"] for item in body.get("items", ())] for _, body, _ in answers]
            assert all(versions == items[0] for versions in items), path
            assert all(answer[0] == answers[0][0] for answer in answers), path


def test_pages_of_one_list_come_from_any_process(crowd: Gateway, tmp_path: Path) -> None:
    with connections(crowd, crowd.admin, tmp_path) as opened:
        whole = [item["metadata"]["uid"] for item in ask(opened[0], "GET", "/api/v1/pods")[1]["items"]]
        pages, token, turn = [], "", 0
        while turn == 0 or token:
            path = f"/api/v1/pods?limit=9&continue={token}"
            status, page, _ = ask(opened[turn % CONNECTIONS], "GET", path)
            assert status == 200, page
            pages += [item["metadata"]["uid"] for item in page["items"]]
            token, turn = page["metadata"].get("continue", ""), turn + 1
        assert pages == whole


def test_a_write_is_read_at_once_on_every_connection(crowd: Gateway, tmp_path: Path) -> None:
    with connections(crowd, crowd.admin, tmp_path) as opened:
        for number in range(2 * CONNECTIONS):
            writer = Writer(opened[number % CONNECTIONS], number)
            readers = [Writer(opened[(number + step) % CONNECTIONS], number) for step in (1, 5, 7)]
            for write in (writer.create, writer.patch):
                answer = write()
                for reader in readers:
                    reader.is_read_as(answer)
            writer.delete()
            for reader in readers:
                reader.is_read_as(None)


def test_informers_go_on_when_a_worker_is_killed(crowd: Gateway, binaries: dict[str, Path]) -> None:
    first, second = crowd.fleet.members.values()
    with ExitStack() as stack:
        informers = [stack.enter_context(Informer(binaries["informer"], crowd.admin)) for _ in range(6)]
        before = []
        for informer in informers:
            informer.wait_for_sync()
            before.append(lists(informer))
        create(first, "before-the-kill")
        for informer in informers:
            informer.next_of("ADDED", key="shop/before-the-kill")
        for pid in workers(crowd):
            os.kill(pid, signal.SIGKILL)
            create(second, f"at-the-kill-{pid}")
            label(first, "before-the-kill", str(pid))
            for informer in informers:
                informer.next_of("ADDED", key=f"shop/at-the-kill-{pid}", timeout=60)
            delete(second, f"at-the-kill-{pid}")
            for informer in informers:
                informer.next_of("DELETED", key=f"shop/at-the-kill-{pid}", timeout=60)
            wait_for_workers(crowd)
            assert pid not in workers(crowd)
        delete(first, "before-the-kill")
        for informer, listed in zip(informers, before, strict=True):
            informer.next_of("DELETED", key="shop/before-the-kill")
            held = {item["uid"]: item["cluster"] for item in informer.store()}
            assert held == union(crowd.fleet, "/api/v1/pods")
            assert lists(informer) == listed, "nobody had to list anew"


def test_a_revoked_certificate_is_refused_by_every_process(crowd: Gateway, tmp_path: Path) -> None:
    kubeconfig = crowd.issue("mallory", ["fleetgate:admins"])
    with connections(crowd, kubeconfig, tmp_path) as opened, ExitStack() as stack:
        for connection in opened:
            assert ask(connection, "GET", "/api/v1/pods?limit=1")[0] == 200
            assert ask(connection, "GET", "/api/v1/namespaces")[0] == 200
        client = crowd.kubectl(kubeconfig)
        watches = [stack.enter_context(client.follow("get", "pods", "-A", "-w")) for _ in range(4)]
        for watch in watches:
            watch.next_line()
        listed = fleetgate("certs", "list", "--data-dir", str(crowd.data_dir)).stdout
        serial = next(line.split()[0] for line in listed.splitlines() if " mallory " in line)
        revoked = fleetgate("certs", "revoke", serial, "--data-dir", str(crowd.data_dir))
        assert revoked.returncode == 0, revoked.stderr
        for connection in opened:
            for path in ("/api/v1/pods?limit=1", "/api/v1/namespaces"):
                status, body, _ = ask(connection, "GET", path)
                assert (status, body["reason"]) == (401, "Unauthorized")
        for watch in watches:
            watch.wait(timeout=10)


def test_refusals_of_every_process_are_recorded(crowd: Gateway, tmp_path: Path) -> None:
    with connections(crowd, crowd.issue("eve"), tmp_path) as opened:
        ids = []
        for connection in opened:
            status, body, headers = ask(connection, "GET", "/api/v1/namespaces/shop/pods")
            assert (status, body["reason"]) == (403, "Forbidden")
            ids.append(headers["Audit-Id"])
    recorded = {}
    for line in (crowd.data_dir / "audit" / "audit.log").read_text().splitlines():
        event = json.loads(line)
        recorded[event["auditID"]] = event
    for audit_id in ids:
        event = recorded[audit_id]
        assert (event["user"]["username"], event["sourceIPs"], event["responseStatus"]["code"]) == (
            "eve",
            ["127.0.0.1"],
            403,
        )


def test_health_and_metrics_are_those_of_all(crowd: Gateway) -> None:
    admin = crowd.kubectl(crowd.admin)
    assert "[+]workers ok" in admin.output("get", "--raw", "/readyz?verbose")

    def watches() -> float:
        return measured(crowd, 'apiserver_longrunning_requests{kind="watch"}')

    crowd.process.wait_until(lambda: watches() == 0, 10)  # workers tell once a second, also of those that ended
    with ExitStack() as stack:
        followed = [stack.enter_context(admin.follow("get", "pods", "-A", "-w")) for _ in range(6)]
        for watch in followed:
            watch.next_line()
        crowd.process.wait_until(lambda: watches() == 6, 10)


@pytest.mark.parametrize("killed", [False, True])
def test_no_process_outlives_the_core(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path, *, killed: bool
) -> None:
    with Gateway(seeded_fleet, binaries["kubectl"], tmp_path, "--workers", "2", remote=False) as gateway:
        admin = gateway.kubectl(gateway.admin)
        (worker,) = workers(gateway)
        with admin.follow("get", "namespaces", "-w") as watch, admin.follow("get", "pods", "-A", "-w"):
            watch.next_line()
            if killed:
                gateway.process.kill()
            else:
                gateway.process.stop(15)
        gateway.start()
        gateway.process.wait_until(lambda: not is_alive(worker), 10)
        assert admin.output("get", "namespaces")


def test_what_is_under_way_at_the_end_is_answered_and_nobody_else_let_in(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path
) -> None:
    with Gateway(seeded_fleet, binaries["kubectl"], tmp_path, "--workers", str(PROCESSES), remote=False) as gateway:
        wait_for_workers(gateway)
        with (
            connections(gateway, gateway.admin, tmp_path) as writing,
            connections(gateway, gateway.admin, tmp_path) as reading,
        ):
            bodies = [json.dumps({"metadata": {"name": f"late-{number}"}}).encode() for number in range(CONNECTIONS)]
            for connection, body in zip(writing, bodies, strict=True):
                connection.putrequest("POST", "/api/v1/namespaces")
                for name, value in (
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                    ("Expect", "100-continue"),
                ):
                    connection.putheader(name, value)
                connection.endheaders()
                assert connection.sock.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            for connection in reading:
                assert ask(connection, "GET", "/api/v1/namespaces?limit=1")[0] == 200  # the core has come so far
            os.kill(gateway.process.pid, signal.SIGTERM)
            gateway.process.wait_until(lambda: not any(lets_in(gateway.port) for _ in range(3 * CONNECTIONS)), 10)
            for connection, body in zip(writing, bodies, strict=True):
                connection.send(body)
                answer = connection.getresponse()
                assert answer.status == 201, answer.read()


def lets_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
