"""A gateway before two members, one of which is harmed while clients of every kind look on."""

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.seed import create_pods
from tests.e2e.environment.tcp_proxy import TcpProxy
from tests.e2e.environment.watched_objects import CLUSTER_ANNOTATION
from tests.e2e.gateway import Gateway, fleetgate
from tests.e2e.merged_kinds import (
    EVENTS,
    EVENTS_OF_THEIR_GROUP,
    MERGED_KINDS,
    NAMESPACE,
    MergedKind,
    define_widgets,
    event_named,
)
from tests.e2e.onlookers import Known, Onlookers
from tests.e2e.test_gateway_access import ask, tls

STALE = re.compile(r'member cluster \\"frail\\" does not answer: its objects are as of \d+[smh][0-9smh]* ago')
# Longer than any answer takes on a busy machine, shorter than any time limit towards a member that could be waited for.
PATIENCE = 10.0
KIND_PATHS = frozenset(kind.path for kind in MERGED_KINDS)


@dataclass
class Scene:
    """What a test of a fault has before it.

    Attributes:
        gateway: With the embedded store; it reaches `member` through `line`.
        member: The one that is harmed, with an etcd of its own.
        other: The one that is not.
        onlookers: Their watches were opened before any fault.
        recorded: The uids of Events that stand in the gateway's own store.
    """

    gateway: Gateway
    member: ControlPlane
    other: ControlPlane
    line: TcpProxy
    onlookers: Onlookers
    recorded: set[str] = field(default_factory=set)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any, str]:
        """Ask the gateway; the status, the body and the warnings. Raises TimeoutError when it takes too long."""
        context, _ = tls(self.gateway.admin, self.gateway.folder)
        connection = http.client.HTTPSConnection("127.0.0.1", self.gateway.port, context=context, timeout=PATIENCE)
        encoded = None if body is None else json.dumps(body).encode()
        with closing(connection):
            code, answer, headers = ask(
                connection, method, path, encoded, accept="application/json", content_type="application/json"
            )
        return code, answer, " ".join(headers.get_all("Warning", []))

    def served(self) -> tuple[dict[tuple[str, str], str], set[str]]:
        """Cluster by resource and uid of all objects that lists have, and which resources' carry a warning."""
        listed: dict[tuple[str, str], str] = {}
        stale = set()
        for kind in MERGED_KINDS:
            code, body, warnings = self.ask("GET", kind.path)
            assert code == 200, body
            listed |= {(kind.resource, item["metadata"]["uid"]): _cluster(item) for item in body["items"]}
            assert bool(warnings) == bool(STALE.search(warnings)), warnings
            stale |= {kind.resource} if warnings else set()
        return listed, stale

    def truth(self) -> dict[tuple[str, str], str]:
        """Cluster by resource and uid of all objects that the members have, and of those recorded in the store."""
        recorded = {(kind.resource, uid): "" for kind in (EVENTS, EVENTS_OF_THEIR_GROUP) for uid in self.recorded}
        return recorded | {
            (kind.resource, item["metadata"]["uid"]): plane.name
            for plane in (self.member, self.other)
            for kind in MERGED_KINDS
            for item in kind.of(plane)
        }

    def create(self, plane: ControlPlane, name: str, padding: str = "") -> str:
        """Create an object of each kind in a member, past the gateway; their key."""
        for kind in MERGED_KINDS:
            kind.create(plane, name, padding)
        return f"{NAMESPACE}/{name}"

    def delete(self, plane: ControlPlane, key: str) -> None:
        """Delete the objects of a member at once, past the gateway."""
        for kind in MERGED_KINDS:
            kind.delete(plane, key)

    def statuses(self, key: str) -> set[int]:
        """What gets of the objects are answered with."""
        return {self.ask("GET", kind.path_of(key))[0] for kind in MERGED_KINDS}

    def until_stale(self, known: Known, timeout: float = 90) -> None:
        """List until the outage is announced; each list has all that was known, and an object of each kind is there."""
        end = time.monotonic() + timeout
        announced: set[str] = set()
        while len(announced) < len(MERGED_KINDS):
            assert time.monotonic() < end, f"the outage was only announced for {announced}"
            listed, announced = self.served()
            assert known.items() <= listed.items(), f"lists lost {known.items() - listed.items()}"
            time.sleep(0.3)
        for kind in MERGED_KINDS:
            items = self.ask("GET", kind.path)[1]["items"]
            expected = next(item for item in items if _cluster(item) == self.member.name)
            code, body, warnings = self.ask("GET", kind.path_of(_key(expected)))
            assert (code, body["metadata"]["uid"]) == (200, expected["metadata"]["uid"])
            assert STALE.search(warnings)

    def others_go_on(self, name: str) -> None:
        """Objects of the other member, and one of the store, come and go, as seen by everybody and in lists."""
        key = self.create(self.other, name)
        own = self.record(f"{name}-own")
        self.onlookers.see("ADDED", key)
        self.onlookers.see("ADDED", own, of=_events)
        assert self.statuses(key) == {200}
        self.delete(self.other, key)
        self.onlookers.see("DELETED", key)
        assert self.statuses(key) == {404}

    def record(self, name: str) -> str:
        """Record an Event in the gateway's own store; its key."""
        body = {"metadata": {"name": name}, **event_named(name)}
        code, recorded, _ = self.ask("POST", f"{EVENTS.root}/namespaces/{NAMESPACE}/events", body)
        assert code == 201, recorded
        self.recorded.add(recorded["metadata"]["uid"])
        return f"{NAMESPACE}/{name}"

    def healed(self) -> None:
        """Wait until all is well: what everybody holds is what the members have, nobody was disturbed."""
        self.gateway.wait_synced(self.member.name, self.other.name)
        self.until(
            lambda: self.served() == (self.truth(), set()), "lists have what the members have, without a warning"
        )
        self.onlookers.hold(self.truth)
        self.onlookers.assert_undisturbed()

    @contextmanager
    def nothing_goes(self) -> Iterator[None]:
        """Hold that nobody is told meanwhile that an object of the member ended; none may really end."""
        there = {(kind, _key(item)) for kind in MERGED_KINDS for item in kind.of(self.member)}
        marks = self.onlookers.marks()
        yield
        for (kind, name), events in self.onlookers.seen_since(marks).items():
            gone = {(kind, key) for event_type, key, _ in events if event_type == "DELETED"}
            assert not gone & there, f"{name} was told of ends that never were"

    def until(self, true_now: Callable[[], bool], what: str, timeout: float = 90) -> None:
        """Wait for something."""
        end = time.monotonic() + timeout
        while not true_now():
            assert time.monotonic() < end, f"not in time: {what}"
            time.sleep(0.2)

    def reads(self) -> list[tuple[str, str, int]]:
        """What the gateway has read in the member by itself until now: verb, resource and the status of each answer."""
        events = [
            event
            for event in self.member.audit_events()
            # Ten objects are looked at before a watch is resumed.
            if event.get("userAgent") == "fleetgate"
            and "objectRef" in event
            and "limit=10&" not in f"{event['requestURI']}&"
        ]
        lists = [event["requestURI"] for event in events if event["verb"] == "list"]
        whole = [uri for uri in lists if uri.partition("?")[0] in KIND_PATHS and "limit=" not in uri]
        assert not whole, f"not read by pages: {whole}"
        return [(event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"]) for event in events]

    @contextmanager
    def few_reads(self, most_lists: int = 1) -> Iterator[None]:
        """Hold that what happens costs the member at most so many lists of each resource."""
        before = len(self.reads())
        yield
        lists = [resource for verb, resource, code in self.reads()[before:] if verb == "list" and code == 200]
        assert {resource: lists.count(resource) for resource in lists if lists.count(resource) > most_lists} == {}


@contextmanager
def frail_member(fleet_member: ControlPlane) -> Iterator[tuple[Path, TcpProxy]]:
    """A proxy before a member, and a kubeconfig that leads through it."""
    port = fleet_member.url.rpartition(":")[2]
    line = TcpProxy(int(port))
    kubeconfig = fleet_member.folder / "through-proxy.kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(fleet_member.kubeconfig.read_text().replace(f":{port}", f":{line.port}"))
    yield kubeconfig, line
    line.close()


def fill(member: ControlPlane, count: int) -> None:
    """Give a member some Pods and one object of each kind, and the gateway's administrators their rights."""
    binding = {
        "metadata": {"name": "fleetgate-admins"},
        "subjects": [{"kind": "Group", "name": "fleetgate:admins", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
    }
    member.client.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    create_pods(member, count, nodes=3)
    define_widgets(member)
    for kind in MERGED_KINDS:
        kind.create(member, f"there-from-the-start-in-{member.name}")


def join(gateway: Gateway, name: str, kubeconfig: Path) -> None:
    """Join a member by the command, and wait until it is synced."""
    done = fleetgate("join", name, "--kubeconfig", str(kubeconfig), "--gateway", str(gateway.admin))
    assert done.returncode == 0, done.stdout + done.stderr
    gateway.wait_synced(name)


def _events(kind: MergedKind) -> bool:
    return kind in {EVENTS, EVENTS_OF_THEIR_GROUP}


def _key(item: Any) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _cluster(item: Any) -> str:
    return str(item["metadata"].get("annotations", {}).get(CLUSTER_ANNOTATION, ""))
