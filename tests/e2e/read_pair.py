"""A gateway over one member and that member itself, with the same objects to be read at both."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.e2e.environment.client import Client
from tests.e2e.read_matrix import Json, Server
from tests.e2e.read_questions import COLLECTIONS, EVENTS, NAMESPACE, PODS

OBJECTS = 5

FUTURE = 10**15
"""Added to a version to name one that is not there yet."""


def _pod(number: int) -> Json:
    container = {"name": "main", "image": "example.org/none"}
    # A scheduler that does not exist: nobody changes the Pod but this test.
    spec = {"containers": [container], "schedulerName": "nobody"}
    return {"metadata": {"name": f"thing-{number}", "labels": {"step": "1"}}, "spec": spec}


def _event(number: int) -> Json:
    about = {"kind": "Pod", "namespace": NAMESPACE, "name": f"thing-{number}", "apiVersion": "v1"}
    said = {"reason": "Tested", "message": "said by a test", "type": "Normal", "source": {"component": "test"}}
    return {"metadata": {"name": f"thing-{number}", "labels": {"step": "1"}}, "involvedObject": about, **said}


def _create_pod(member: Client, number: int) -> None:
    member.request("POST", PODS, _pod(number))
    # The environment takes a Pod that does not run for one that is still to be waited for.
    running = {"status": {"phase": "Running"}}
    path = f"{PODS}/thing-{number}/status"
    member.request("PATCH", path, running, content_type="application/merge-patch+json")


def fill(member: Client) -> None:
    """Create the objects."""
    member.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for number in range(OBJECTS):
        _create_pod(member, number)
        member.request("POST", EVENTS, _event(number))


def change(member: Client) -> None:
    """One MODIFIED, one DELETED, one ADDED in each collection."""
    patch = {"metadata": {"labels": {"step": "2"}}}
    for path in (PODS, EVENTS):
        member.request("PATCH", f"{path}/thing-1", patch, content_type="application/merge-patch+json")
        member.request("DELETE", f"{path}/thing-2?gracePeriodSeconds=0")
    _create_pod(member, OBJECTS)
    member.request("POST", EVENTS, _event(OBJECTS))


async def learn(servers: tuple[Server, ...], word: str) -> None:
    """Remember the present version of each collection as `word`, and one that is far from it as `future`."""
    for server in servers:
        for collection, path in COLLECTIONS.items():
            version = (await server.json(path))["metadata"]["resourceVersion"]
            known = server.words.setdefault(collection, {})
            known[word], known["future"] = version, str(int(version) + FUTURE)


async def tokens(servers: tuple[Server, ...]) -> None:
    """Give each collection's questions a token that continues behind the second object."""
    for server in servers:
        for collection, path in COLLECTIONS.items():
            page = await server.json(path, limit="2")
            server.words[collection]["token"] = page["metadata"]["continue"]


async def same_everywhere(servers: tuple[Server, ...], step: str) -> None:
    """Wait until all servers list the same objects, of which thing-1 is at `step`."""
    for path in COLLECTIONS.values():
        for _ in range(300):
            lists = [(await server.json(path))["items"] for server in servers]
            seen = [[(item["metadata"]["name"], item["metadata"]["labels"]["step"]) for item in one] for one in lists]
            if all(one == seen[0] and ("thing-1", step) in one and len(one) == OBJECTS for one in seen):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"{path} never got the same")


@dataclass
class Pair:
    """The gateway and its member, with the words of both."""

    gateway: Path
    member: Path
    folder: Path
    client: Client
    ours: dict[str, dict[str, str]]
    theirs: dict[str, dict[str, str]]

    @asynccontextmanager
    async def servers(self) -> AsyncIterator[tuple[Server, Server]]:
        """Ours and the real one."""
        ours = Server.of("gateway", self.gateway, self.folder)
        theirs = Server.of("kube-apiserver", self.member, self.folder)
        ours.words, theirs.words = self.ours, self.theirs
        async with ours.session, theirs.session:
            yield ours, theirs

    @classmethod
    @contextmanager
    def prepared(cls, gateway: Path, member: Path, folder: Path, client: Client) -> Iterator[Self]:
        """A pair with the objects created and changed, for a while; the clients use kubeconfigs."""
        pair = cls(gateway, member, folder, client, {}, {})
        asyncio.run(pair._prepare())
        yield pair
        client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}")

    def touch(self) -> None:
        """Create and delete a Pod of another namespace."""
        elsewhere = PODS.replace(NAMESPACE, "default")
        made = self.client.request("POST", elsewhere, {**_pod(0), "metadata": {"generateName": "touch-"}})
        self.client.request("DELETE", f"{elsewhere}/{made['metadata']['name']}?gracePeriodSeconds=0")

    async def _prepare(self) -> None:
        async with self.servers() as servers:
            fill(self.client)
            await same_everywhere(servers, "1")
            await learn(servers, "old")
            change(self.client)
            await same_everywhere(servers, "2")
            await learn(servers, "now")
            await tokens(servers)
