"""A gateway before two members, one of which is harmed while clients of every kind look on."""

import http.client
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.seed import create_pods
from tests.e2e.environment.tcp_proxy import TcpProxy
from tests.e2e.gateway import Gateway, fleetgate
from tests.e2e.onlookers import Onlookers
from tests.e2e.test_gateway_access import ask, tls

PODS = "/api/v1/pods"
STALE = re.compile(r'member cluster \\"frail\\" does not answer: its objects are as of \d+[smh][0-9smh]* ago')
# Longer than any answer takes on a busy machine, shorter than any time limit towards a member that could be waited for.
PATIENCE = 10.0


@dataclass
class Scene:
    """What a test of a fault has before it.

    Attributes:
        gateway: With the embedded store; it reaches `member` through `line`.
        member: The one that is harmed, with an etcd of its own.
        other: The one that is not.
        onlookers: Their watches were opened before any fault.
    """

    gateway: Gateway
    member: ControlPlane
    other: ControlPlane
    line: TcpProxy
    onlookers: Onlookers

    def get(self, path: str) -> tuple[int, Any, str]:
        """Ask the gateway; the status, the body and the warnings. Raises TimeoutError when it takes too long."""
        context, _ = tls(self.gateway.admin, self.gateway.folder)
        connection = http.client.HTTPSConnection("127.0.0.1", self.gateway.port, context=context, timeout=PATIENCE)
        with closing(connection):
            code, body, headers = ask(connection, "GET", path, accept="application/json")
        return code, body, " ".join(headers.get_all("Warning", []))

    def served(self) -> tuple[dict[str, str], str]:
        """Cluster by uid of all Pods that a list of the gateway has, and its warnings."""
        code, body, warnings = self.get(PODS)
        assert code == 200, body
        return {item["metadata"]["uid"]: _cluster(item) for item in body["items"]}, warnings

    def truth(self) -> dict[str, str]:
        """Cluster by uid of all Pods that the members have."""
        return {
            item["metadata"]["uid"]: plane.name
            for plane in (self.member, self.other)
            for item in plane.client.request("GET", PODS)["items"]
        }

    def create(self, plane: ControlPlane, name: str, padding: str = "") -> str:
        """Create a Pod in a member, past the gateway; its key."""
        metadata = {"name": name, "annotations": {"padding": padding}}
        body = {"metadata": metadata, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
        plane.client.request("POST", "/api/v1/namespaces/shop/pods", body)
        return f"shop/{name}"

    def delete(self, plane: ControlPlane, key: str) -> None:
        """Delete a Pod of a member at once, past the gateway."""
        plane.client.request("DELETE", path_of(key), {"gracePeriodSeconds": 0})

    def until_stale(self, known: Mapping[str, str], timeout: float = 90) -> None:
        """List until the outage is announced; each list has all that was known, and a Pod of the member is there."""
        uid = next(uid for uid, cluster in known.items() if cluster == self.member.name)
        end = time.monotonic() + timeout
        announced = False
        while not announced:
            assert time.monotonic() < end, "the outage was never announced"
            listed, warnings = self.served()
            assert known.items() <= listed.items(), "a list lost Pods of the member"
            announced = bool(STALE.search(warnings))
            time.sleep(0.3)
        key = next(_key(item) for item in self.get(PODS)[1]["items"] if item["metadata"]["uid"] == uid)
        code, body, warnings = self.get(path_of(key))
        assert (code, body["metadata"]["uid"]) == (200, uid)
        assert STALE.search(warnings)

    def others_go_on(self, name: str) -> None:
        """A Pod of the other member comes, changes and goes, as seen by everybody and in lists."""
        key = self.create(self.other, name)
        self.onlookers.see("ADDED", key)
        assert self.get(path_of(key))[0] == 200
        self.delete(self.other, key)
        self.onlookers.see("DELETED", key)
        assert self.get(path_of(key))[0] == 404

    def healed(self) -> None:
        """Wait until all is well: what everybody holds is what the members have, nobody was disturbed."""
        self.gateway.wait_synced(self.member.name, self.other.name)
        self.until(lambda: self.served() == (self.truth(), ""), "lists have what the members have, without a warning")
        self.onlookers.hold(self.truth())
        self.onlookers.assert_undisturbed()

    def until(self, true_now: Callable[[], bool], what: str, timeout: float = 60) -> None:
        """Wait for something."""
        end = time.monotonic() + timeout
        while not true_now():
            assert time.monotonic() < end, f"not in time: {what}"
            time.sleep(0.2)

    def reads(self) -> list[tuple[str, str, int]]:
        """What the gateway has read in the member by itself until now: verb, resource and the status of each answer."""
        return [
            (event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"])
            for event in self.member.audit_events()
            # Ten objects are looked at before a watch is resumed.
            if event.get("userAgent") == "fleetgate"
            and "objectRef" in event
            and "limit=10&" not in f"{event['requestURI']}&"
        ]

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
    """Give a member some Pods, and the gateway's administrators their rights."""
    binding = {
        "metadata": {"name": "fleetgate-admins"},
        "subjects": [{"kind": "Group", "name": "fleetgate:admins", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
    }
    member.client.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    create_pods(member, count, nodes=3)


def join(gateway: Gateway, name: str, kubeconfig: Path) -> None:
    """Join a member by the command, and wait until it is synced."""
    done = fleetgate("join", name, "--kubeconfig", str(kubeconfig), "--gateway", str(gateway.admin))
    assert done.returncode == 0, done.stdout + done.stderr
    gateway.wait_synced(name)


def path_of(key: str) -> str:
    """The path of a Pod."""
    namespace, name = key.split("/")
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


def _key(item: Any) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _cluster(item: Any) -> str:
    return str(item["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"])
