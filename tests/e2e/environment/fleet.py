"""The whole environment: an etcd, the federation's control plane, and those of the member clusters."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.etcd import Etcd
from tests.e2e.environment.process import remove_folder, temporary_folder
from tests.e2e.environment.seed import create_nodes, wait_for_nodes


class Fleet:
    """A federation store and its members, in a temporary folder that goes with it.

    Attributes:
        federation: The control plane that stands for the federation store; a Deployment in it makes no Pods.
        members: The member clusters by name: member1, member2, and those added later.
    """

    def __init__(self, programs: Mapping[str, Path], *, members: int = 2, nodes: int = 3) -> None:
        """Start everything and wait until it is ready, the nodes of each member too.

        Raises:
            RuntimeError: A program did not become ready; what had been started has ended.
        """
        self.folder = temporary_folder("fleetgate-e2e-")
        self._programs = programs
        self._nodes = nodes
        self._etcds: list[Etcd] = []
        self.members: dict[str, ControlPlane] = {}
        self._etcd = self._new_etcd("etcd")
        self.federation = self._control_plane("federation", self._etcd, runs_pods=False)
        for number in range(1, members + 1):
            name = f"member{number}"
            self.members[name] = self._control_plane(name, self._etcd, runs_pods=True)
        try:
            self._etcd.start()
            self._start(self.federation, *self.members.values())
        except BaseException:
            self.stop()
            raise

    def add_member(self, name: str, *, own_etcd: bool = False) -> ControlPlane:
        """Start one more member; with an etcd of its own its state can be lost or set back without the others'."""
        etcd = self._etcd
        if own_etcd:
            etcd = self._new_etcd(f"etcd-{name}")
            etcd.start()
        member = self.members[name] = self._control_plane(name, etcd, runs_pods=True)
        self._start(member)
        return member

    def remove_member(self, name: str) -> None:
        """Stop a member for good."""
        self.members.pop(name).stop()

    def stop(self) -> None:
        """End everything that was started and remove the folder."""
        for plane in (self.federation, *self.members.values()):
            plane.stop()
        for etcd in self._etcds:
            etcd.process.kill()
        remove_folder(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _new_etcd(self, name: str) -> Etcd:
        etcd = Etcd(self._programs["etcd"], self.folder / name)
        self._etcds.append(etcd)
        return etcd

    def _control_plane(self, name: str, etcd: Etcd, *, runs_pods: bool) -> ControlPlane:
        return ControlPlane(name, self.folder / name, self._programs, etcd, runs_pods=runs_pods)

    def _start(self, *planes: ControlPlane) -> None:
        # All at once: each of them mostly waits.
        for plane in planes:
            plane.start()
        for plane in planes:
            plane.wait_until_ready()
        members = [plane for plane in planes if plane is not self.federation]
        for member in members:
            create_nodes(member, self._nodes)
        for member in members:
            wait_for_nodes(member, self._nodes)
