"""Everything that a row may measure, running."""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.load_program import load_program
from bench.meter import CLIENT_CORES, resident_bytes, settled_bytes
from bench.options import REAL_PODS, Options
from bench.raw_sender import RawSender
from bench.servers import FastMembers, Gateway, RealServers
from bench.target import Target
from tests.e2e.environment.build import built_programs, say
from tests.e2e.environment.process import remove_folder, temporary_folder


@dataclass(frozen=True)
class Memory:
    """Bytes in RAM."""

    empty: int
    full: int


class Stage:
    """The servers of a full run; a context manager.

    Attributes:
        real: The comparison and the small member.
        fast: The other members.
        gateway: Over all members; it serves as many Pods as the comparison.
        memory: By server: without Pods and with them, before any request.
    """

    def __init__(self, options: Options) -> None:
        """Start all of it."""
        self.options = options
        self.folder = temporary_folder("fleetgate-bench-")
        self._stack = ExitStack()
        self._stack.callback(remove_folder, self.folder)
        os.sched_setaffinity(0, CLIENT_CORES)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def _start(self) -> None:
        options, folder = self.options, self.folder
        self.programs = programs = built_programs()
        self.load = load_program()
        say(f"starting etcd and two kube-apiservers, {options.pods} Pods")
        self.real = self._stack.enter_context(RealServers(programs, folder, pods=options.pods, member_pods=REAL_PODS))
        say(f"starting {options.members} fast members")
        self.fast = self._stack.enter_context(
            FastMembers(folder / "fast", first=REAL_PODS, end=options.pods, members=options.members)
        )
        say("starting the gateway")
        self.gateway = self._stack.enter_context(Gateway(folder / "gateway", self.member_kubeconfigs))
        self.raw = self._stack.enter_context(RawSender(folder / "raw"))
        self.memory = {
            "fleetgate": Memory(self.gateway.empty.memory, settled_bytes(self.gateway.process.pid)),
            "kube-apiserver": Memory(resident_bytes(self.real.member.pid), resident_bytes(self.real.comparison.pid)),
        }

    @property
    def member_kubeconfigs(self) -> list[Path]:
        """Of all members, as the gateway's configuration names them."""
        return [self.real.member_plane.kubeconfig, *self.fast.kubeconfigs]

    @property
    def targets(self) -> tuple[Target, Target]:
        """The two servers that are compared."""
        return self.real.comparison, self.gateway.target

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
