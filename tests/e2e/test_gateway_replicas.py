"""Two gateways over one store and the same members: client-go's informers move between them without a list."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.environment.clientgo import Informer
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.tcp_proxy import TcpProxy
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_informers import union
from tests.e2e.test_gateway_restart import PODS, create, delete, label, lists

CONFIGURATION = """\
apiVersion: config.fleetgate.io/v1alpha1
kind: GatewayConfiguration
cache: {{shared: {shared}, replica: {slot}}}
"""


class Replicas:
    """Two gateways of one authority, and the one address under which clients know them."""

    def __init__(self, fleet: Fleet, kubectl: Path, folder: Path, stack: ExitStack, *, shared: bool) -> None:
        self.fleet = fleet
        self.gateways: list[Gateway] = []
        for slot in (0, 1):
            own = folder / str(slot)
            own.mkdir()
            config = own / "config.yaml"
            config.write_text(CONFIGURATION.format(slot=slot, shared="true" if shared else "false"))
            gateway = Gateway(fleet, kubectl, own, "--config", str(config))
            if self.gateways:
                shutil.copytree(self.gateways[0].data_dir / "pki", gateway.data_dir / "pki")
            self.gateways.append(stack.enter_context(gateway))
            if slot == 0:
                gateway.join(*fleet.members.values())
        first, second = self.gateways
        second.wait_synced("member1", "member2")
        self.proxy = TcpProxy(first.port)
        stack.callback(self.proxy.close)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(first.admin.read_text().replace(str(first.port), str(self.proxy.port)))

    def prove(self) -> None:
        """Let both hear of every member after they have listed it; then what they read stands in one order."""
        time.sleep(12)
        for member in self.fleet.members.values():
            create(member, f"heard-{member.name}")
        time.sleep(5)


@pytest.fixture
def replicas(
    request: pytest.FixtureRequest, seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path: Path
) -> Iterator[Replicas]:
    with ExitStack() as stack:
        yield Replicas(seeded_fleet, binaries["kubectl"], tmp_path, stack, shared=request.param)
    for member in seeded_fleet.members.values():
        held = {item["metadata"]["name"] for item in member.client.request("GET", PODS)["items"]}
        for name in held & {f"heard-{member.name}", "gone", "changed", "moved", "last"}:
            delete(member, name)


@pytest.mark.parametrize("replicas", [True], indirect=True)
@pytest.mark.parametrize("watch_list", [True, False])
def test_an_informer_moves_without_a_list(replicas: Replicas, binaries: dict[str, Path], *, watch_list: bool) -> None:
    first, second = replicas.fleet.members.values()
    with Informer(binaries["informer"], replicas.kubeconfig, watch_list=watch_list) as informer:
        informer.wait_for_sync()
        replicas.prove()
        create(first, "changed")
        create(second, "gone")
        informer.next_of("ADDED", key="shop/gone")
        before = lists(informer)
        for number, gateway in ((1, replicas.gateways[1]), (2, replicas.gateways[0])):
            replicas.proxy.cut()
            label(first, "changed", f"while-away-{number}")
            if number == 1:
                delete(second, "gone")
                create(second, "moved")
            replicas.proxy.turn_to(gateway.port)
            label(first, "changed", f"afterwards-{number}")
            time.sleep(10)
        replicas.gateways[0].process.kill()
        replicas.proxy.turn_to(replicas.gateways[1].port)
        create(first, "last")
        informer.next_of("ADDED", key="shop/last", timeout=60)
        held = {item["uid"]: item["cluster"] for item in informer.store()}
        assert held == union(replicas.fleet, "/api/v1/pods")
        assert lists(informer) == before
        assert not [error for error in informer.watch_errors() if "too old" in error or "Expired" in error]


@pytest.mark.parametrize("replicas", [False], indirect=True)
def test_without_checkpoints_an_informer_lists_once_more(replicas: Replicas, binaries: dict[str, Path]) -> None:
    first, second = replicas.fleet.members.values()
    with Informer(binaries["informer"], replicas.kubeconfig) as informer:
        informer.wait_for_sync()
        create(second, "gone")
        informer.next_of("ADDED", key="shop/gone")
        before = lists(informer)
        replicas.proxy.cut()
        delete(second, "gone")
        replicas.proxy.turn_to(replicas.gateways[1].port)
        create(first, "last")
        informer.next_of("ADDED", key="shop/last", timeout=60)
        held = {item["uid"]: item["cluster"] for item in informer.store()}
        assert held == union(replicas.fleet, "/api/v1/pods")
        assert len(lists(informer)) > len(before)
