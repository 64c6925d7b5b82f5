"""kill -9 while many write: what was acknowledged is there, what was not is told by the audit log, watches go on."""

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.fleet import Fleet
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_access import ask, tls

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 6
ROUNDS = 3
ACKNOWLEDGED = 60
"""Writes of each round before the kill."""
STATE, VERSION = "audit.fleetgate.io/state", "audit.fleetgate.io/resource-version"


@dataclass
class Acknowledged:
    """What the gateway has said was done: the version and content of each object, None for a deleted one."""

    objects: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    in_flight: set[str] = field(default_factory=set)
    count: int = 0

    def writer(self, number: int, port: int, context: ssl.SSLContext, enough: threading.Semaphore) -> None:
        """Create, change and delete objects of its own until the connection breaks."""
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
        try:
            for step in range(10_000):
                self._step(connection, f"w{number}-{step // 3}-{self.count}", step % 3, enough)
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            connection.close()

    def _step(self, connection: http.client.HTTPSConnection, name: str, kind: int, enough: threading.Semaphore) -> None:
        body: dict[str, Any] = {"metadata": {"name": name}, "data": {"is": "made"}}
        self.in_flight.add(name)
        status, made, _ = ask(connection, "POST", PATH, json.dumps(body).encode(), Content_Type="application/json")
        assert status == 201, made
        self.objects[name] = (made["metadata"]["resourceVersion"], "made")
        if kind:
            changed = b'{"data":{"is":"changed"}}'
            merge = "application/merge-patch+json"
            status, made, _ = ask(connection, "PATCH", f"{PATH}/{name}", changed, Content_Type=merge)
            assert status == 200, made
            self.objects[name] = (made["metadata"]["resourceVersion"], "changed")
        if kind == 2:
            status, made, _ = ask(connection, "DELETE", f"{PATH}/{name}")
            assert status == 200, made
            self.objects[name] = None
        self.in_flight.discard(name)
        self.count += 1
        enough.release()


@pytest.fixture
def own(fleet: Fleet, binaries: dict[str, Path], tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of this test's own, because it is killed."""
    with Gateway(fleet, binaries["kubectl"], tmp_path, remote=False) as gateway:
        yield gateway


def write_until_killed(gateway: Gateway, context: ssl.SSLContext, said: Acknowledged) -> None:
    enough = threading.Semaphore(0)
    writers = [
        threading.Thread(target=said.writer, args=(number, gateway.port, context, enough)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for _ in range(ACKNOWLEDGED):
        assert enough.acquire(timeout=30)
    gateway.process.kill()
    for writer in writers:
        writer.join()


def test_no_acknowledged_write_is_lost(own: Gateway, binaries: dict[str, Path], tmp_path: Path) -> None:
    context, _ = tls(own.admin, tmp_path)
    said = Acknowledged()
    with Informer(binaries["informer"], own.admin, resource="configmaps") as informer:
        informer.wait_for_sync()
        for _ in range(ROUNDS):
            write_until_killed(own, context, said)
            own.start()
            check(own, context, said)
        own.kubectl(own.admin).output("create", "configmap", "last")
        informer.next_of("ADDED", key="default/last")
        held = {item["key"]: item["resourceVersion"] for item in informer.store() if item["key"].startswith("default/")}
        assert held == {f"default/{name}": version for name, (version, _) in stored(own, context).items()}
        assert not any("too old" in error for error in informer.watch_errors())
        lists = [uri for uri in informer.requests() if "sendInitialEvents=true" in uri or "watch=" not in uri]
        assert len(lists) <= 2, "the first list and its check; after each kill the watch went on where it was"


def stored(gateway: Gateway, context: ssl.SSLContext) -> dict[str, tuple[str, str]]:
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=20)
    status, listed, _ = ask(connection, "GET", PATH)
    connection.close()
    assert status == 200
    return {
        item["metadata"]["name"]: (item["metadata"]["resourceVersion"], item.get("data", {}).get("is", ""))
        for item in listed["items"]
    }


def check(gateway: Gateway, context: ssl.SSLContext, said: Acknowledged) -> None:
    """Compare acknowledgements, store and audit log."""
    live = stored(gateway, context)
    certain = {name: what for name, what in said.objects.items() if name not in said.in_flight}
    assert {name: live.get(name) for name in certain} == certain
    for name in said.in_flight & said.objects.keys():
        was = said.objects[name]
        assert was is not None
        assert name not in live or int(live[name][0]) >= int(was[0])
    events = [json.loads(line) for line in (gateway.data_dir / "audit" / "audit.log").read_text().splitlines()]
    about = [event for event in events if (event.get("objectRef") or {}).get("resource") == "configmaps"]
    announced = {event["auditID"]: event for event in about if event["stage"] == "RequestReceived"}
    outcomes = {event["auditID"]: event for event in about if event["stage"] == "ResponseComplete"}
    assert announced.keys() <= outcomes.keys(), "every intent has an outcome, at the latest after the restart"
    versions = {
        (event["objectRef"]["name"], event["annotations"].get(VERSION))
        for event in outcomes.values()
        if event["annotations"].get(STATE) == "applied"
    }
    assert {(name, what[0]) for name, what in certain.items() if what} <= versions
    names = {event["objectRef"]["name"] for event in announced.values()}
    assert live.keys() - {"kube-root-ca.crt"} <= names, "nothing was written that was not announced"
    for event in outcomes.values():
        if event["verb"] == "create" and event["annotations"].get(STATE) == "not-applied":
            assert event["objectRef"]["name"] not in live
