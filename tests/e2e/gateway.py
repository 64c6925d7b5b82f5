"""A fleetgate process under test: started as a user starts it, members joined and callers issued by its commands."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.e2e import stalls
from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.fleet import Fleet
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.environment.ports import free_port
from tests.e2e.environment.process import Process

WORKERS = "FLEETGATE_TEST_WORKERS"
"""The environment variable that has every gateway of the tests run with so many processes."""


def fleetgate(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a fleetgate command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )


class Gateway:
    """A running gateway over a fleet."""

    def __init__(self, fleet: Fleet, kubectl_program: Path, folder: Path, *arguments: str, remote: bool = True) -> None:
        """Start nothing yet. `remote`: the fleet's federation is the store, else the embedded one."""
        self.fleet = fleet
        self.folder = folder
        self.data_dir = folder / "data"
        self._program = kubectl_program
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        store = ["--federation-kubeconfig", str(fleet.federation.kubeconfig)] if remote else []
        listen = ["--listen", f"127.0.0.1:{self.port}"]
        command = [sys.executable, "-m", "gateway", "serve", "--data-dir", str(self.data_dir), *listen, *store]
        if workers := os.environ.get(WORKERS):
            command += ["--workers", workers]
        self.process = Process("fleetgate", [*command, *arguments], folder / "gateway.log")
        self.admin = self.data_dir / "admin.kubeconfig"

    def start(self) -> None:
        """Start it and wait until it says that it is ready, once more when it had been started before."""
        said = self._said_ready()
        self.process.start()
        self.process.wait_until(lambda: self._said_ready() > said, 60)

    def _said_ready(self) -> int:
        log = self.process.log
        return log.read_text().count("fleetgate is ready") if log.exists() else 0

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop. Raises AssertionError when something held its event loop for long."""
        stall = self._longest_stall() if self.process.running else None
        self.process.stop()
        assert stall is None or stall.held < stalls.LONGEST_HELD, f"{stall}; its log says where: {self.process.log}"

    def _longest_stall(self) -> stalls.Stall | None:
        metrics = self.kubectl(self.admin).run("get", "--raw", "/metrics", "--request-timeout=5s")
        return stalls.note(str(self.folder), metrics.stdout)

    def join(self, *members: ControlPlane) -> None:
        """Join members by the command, and wait until they are synced."""
        for member in members:
            done = fleetgate("join", member.name, "--kubeconfig", str(member.kubeconfig), "--gateway", str(self.admin))
            assert done.returncode == 0, done.stdout + done.stderr
        self.wait_synced(*(member.name for member in members))

    def wait_synced(self, *names: str) -> None:
        """Wait until the gateway has read all of the named members."""

        def synced() -> bool:
            verbose = self.kubectl(self.admin).run("get", "--raw", "/readyz?verbose")
            return all(f"[i]cluster/{name} ok" in verbose.stdout for name in names)

        self.process.wait_until(synced, 60)

    def kubectl(self, kubeconfig: Path, program: Path | None = None, *, editor: str = "") -> Kubectl:
        """A kubectl that speaks to this gateway."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return Kubectl(program or self._program, kubeconfig, home, editor=editor)

    def issue(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Issue a kubeconfig with the command and return its path."""
        path = self.folder / f"{user}.kubeconfig"
        flags = [flag for group in groups for flag in ("--group", group)]
        done = fleetgate("certs", "issue", user, *flags, "--data-dir", str(self.data_dir), "--out", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        return path
