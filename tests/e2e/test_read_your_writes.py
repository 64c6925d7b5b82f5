"""Who has written through the gateway reads it there: at once by get and list, and by its version in an informer."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_access import ask, tls

PODS = "/api/v1/namespaces/shop/pods"
ROUNDS = 50
NOW: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}


class Writer:
    """Sends requests one after the other, as one client does."""

    def __init__(self, connection: http.client.HTTPSConnection, round_number: int) -> None:
        self._connection = connection
        self.name = f"own-{round_number}"
        self.path = f"{PODS}/{self.name}"
        self.cluster = f"member{1 + round_number % 2}"

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        encoded = None if body is None else json.dumps(body).encode()
        code, answer, _ = ask(self._connection, method, path, encoded, content_type=kind)
        return code, answer

    def write(self, method: str, path: str, body: Any, kind: str = "application/json") -> Any:
        """Send a write that succeeds; its answer."""
        code, answer = self.ask(method, path, body, kind)
        assert code in {200, 201}, answer
        return answer

    def create(self) -> Any:
        """Create the Pod of this round at its member. No node is ever ready for it, so nobody else changes it."""
        metadata = {"name": self.name, "labels": {"fleetgate.io/cluster": self.cluster, "own": "writes"}}
        container = {"name": "a", "image": "a:1"}
        spec = {"containers": [container], "schedulingGates": [{"name": "fleetgate.io/never"}]}
        return self.write("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def patch(self) -> Any:
        """Change its labels."""
        body = {"metadata": {"labels": {"changed": "yes"}}}
        return self.write("PATCH", self.path, body, "application/merge-patch+json")

    def delete(self) -> Any:
        """Delete it at once."""
        return self.write("DELETE", self.path, NOW)

    def evict(self) -> None:
        """Evict it; what was never scheduled is gone with that."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": self.name}}
        self.write("POST", f"{self.path}/eviction", eviction | {"deleteOptions": NOW})

    def read(self) -> list[Any]:
        """The object as a get and as lists have it; None where it is not there."""
        code, got = self.ask("GET", self.path)
        assert code in {200, 404}, got
        answers = [got if code == 200 else None]
        for query in ("", "?labelSelector=own%3Dwrites", f"?fieldSelector=metadata.name%3D{self.name}", "?limit=500"):
            code, listed = self.ask("GET", PODS + query)
            assert code == 200, listed
            answers.append(next((item for item in listed["items"] if item["metadata"]["name"] == self.name), None))
        return answers

    def is_read_as(self, answer: Any) -> None:
        """Hold that every read has what a write was answered, or that none has it."""
        for found in self.read():
            assert (found and found["metadata"]) == (answer and answer["metadata"])


@pytest.fixture
def writers(gateway: Gateway, tmp_path: Path) -> Iterator[list[Writer]]:
    context, _ = tls(gateway.admin, tmp_path)
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port, context=context, timeout=30)
    yield [Writer(connection, number) for number in range(ROUNDS)]
    connection.close()


@pytest.mark.parametrize("end", ["delete", "evict"])
def test_a_write_is_read_at_once(writers: list[Writer], end: str) -> None:
    for writer in writers:
        writer.is_read_as(writer.create())
        writer.is_read_as(writer.patch())
        if end == "evict":
            writer.evict()
        else:
            writer.delete()
        writer.is_read_as(None)


def test_an_informer_comes_to_the_version_of_a_write(
    gateway: Gateway, binaries: dict[str, Path], writers: list[Writer]
) -> None:
    with Informer(binaries["informer"], gateway.admin) as informer:
        informer.wait_for_sync()
        for writer in writers:
            for event, write in (
                ("ADDED", writer.create),
                ("MODIFIED", writer.patch),
                ("DELETED", writer.delete),
            ):
                version = write()["metadata"]["resourceVersion"]
                informer.next_of(event, key=f"shop/{writer.name}", resourceVersion=version)
                assert informer.synced_version() >= int(version)
