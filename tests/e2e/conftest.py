"""What every end-to-end test starts from: the programs, a running fleet, and clients for it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e import stalls
from tests.e2e.environment.build import built_programs
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl, kubectl_versions
from tests.e2e.environment.seed import NAMESPACES, create_pods, wait_for_pods
from tests.e2e.gateway import Gateway
from tests.e2e.read_pair import Pair
from tests.e2e.side_by_side import SideBySide

KubectlFor = Callable[[Path], Kubectl]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, so that `-m "not e2e"` leaves it out."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before the first test, whose time limit a first build would exceed."""
    if session.config.option.collectonly or not any(item.get_closest_marker("e2e") for item in session.items):
        return
    with session.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        try:
            built_programs()
        except subprocess.CalledProcessError as error:
            pytest.exit(f"the programs of the test environment cannot be built: {error}", returncode=1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say for how long anything held the event loop of a gateway at the most."""
    if stalls.noted:
        terminalreporter.section("longest stalls of the gateways' event loops")
        for stall in sorted(stalls.noted, key=lambda stall: stall.held, reverse=True)[:5]:
            terminalreporter.write_line(str(stall))


@pytest.fixture(scope="session")
def binaries() -> dict[str, Path]:
    """Every program of the environment by its name."""
    return built_programs()


@pytest.fixture(scope="session")
def fleet(binaries: dict[str, Path]) -> Iterator[Fleet]:
    """A running federation with two members of three nodes each.

    It is shared: a test cleans up the objects it creates, and heals the control planes it harms.
    """
    with Fleet(binaries) as fleet:
        yield fleet


@pytest.fixture
def kubectl(binaries: dict[str, Path], tmp_path: Path) -> KubectlFor:
    """Makes a Kubectl of the built version for a kubeconfig."""
    return lambda kubeconfig: Kubectl(binaries["kubectl"], kubeconfig, tmp_path)


@pytest.fixture(scope="session")
def all_kubectls(binaries: dict[str, Path]) -> dict[str, Path]:
    """Every kubectl version at hand by name, such as "kubectl.1.33"; "kubectl" is the built one."""
    return kubectl_versions(binaries["kubectl"])


PODS_PER_MEMBER = 60


@pytest.fixture(scope="session")
def seeded_fleet(fleet: Fleet) -> Fleet:
    """The fleet with Pods in both members, and administrators of fleetgate known to every control plane."""
    for plane in (fleet.federation, *fleet.members.values()):
        binding = {
            "metadata": {"name": "fleetgate-admins"},
            "subjects": [{"kind": "Group", "name": "fleetgate:admins", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
        }
        plane.client.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    for namespace in NAMESPACES:
        fleet.federation.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    for member in fleet.members.values():
        create_pods(member, PODS_PER_MEMBER, nodes=3)
    for member in fleet.members.values():
        wait_for_pods(member)
    return fleet


@pytest.fixture(scope="session")
def gateway(
    seeded_fleet: Fleet, binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway over a real federation store, with both members joined."""
    with Gateway(seeded_fleet, binaries["kubectl"], tmp_path_factory.mktemp("gateway")) as gateway:
        gateway.join(*seeded_fleet.members.values())
        yield gateway


@pytest.fixture(scope="session")
def embedded(fleet: Fleet, binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with its embedded store, and no member until a test joins one."""
    with Gateway(fleet, binaries["kubectl"], tmp_path_factory.mktemp("embedded"), remote=False) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def pair(fleet: Fleet, binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A gateway with an embedded store over member1 alone, beside member1 itself, with objects to read at both."""
    member = fleet.members["member1"]
    with Gateway(fleet, binaries["kubectl"], tmp_path_factory.mktemp("pair"), remote=False) as gateway:
        gateway.join(member)
        with Pair.prepared(gateway.admin, member.kubeconfig, gateway.folder, member.client) as pair:
            yield pair


@pytest.fixture
def store(embedded: Gateway) -> Kubectl:
    """kubectl as the administrator of the embedded store."""
    return embedded.kubectl(embedded.admin)


@pytest.fixture(scope="session")
def both(embedded: Gateway) -> SideBySide:
    """The embedded store beside a real kube-apiserver, which the fleet's federation is."""
    return SideBySide(embedded, embedded.fleet.federation)


@pytest.fixture
def admin(gateway: Gateway) -> Kubectl:
    """kubectl as the gateway's administrator."""
    return gateway.kubectl(gateway.admin)
