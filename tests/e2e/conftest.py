"""What every end-to-end test starts from: the programs, a running fleet, and clients for it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.environment.build import built_programs
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl, kubectl_versions

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
