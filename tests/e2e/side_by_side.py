"""The same kubectl command at the gateway and at a real kube-apiserver, and what differs in what it says."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path

from tests.e2e.environment.controlplane import ControlPlane
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway

_UNSHARED = [
    (re.compile(pattern, re.MULTILINE | re.IGNORECASE), instead)
    for pattern, instead in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
        (r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} [+]0000", "TIME"),
        (r"\d{4}-\d\d-\d\d [\d:]{8}\.\d+ [+]0000", "TIME"),
        (r'("?resource ?version"?: +)"?\d+"?', r"\1VERSION"),
        (r"(generated-)\w{5}\b", r"\1SUFFIX"),
        (r"\b10\.96\.\d+\.\d+\b", "ADDRESS"),
        (r"/tmp/(LIVE|MERGED)-\d+", r"\1"),
        (r"^[IWE]\d{4} [\d:.]+ +\d+ ", ""),
        (r"\b(\d+[smhd])+\b", "AGE"),
        (r"[ \t]+", " "),
        (r" $", ""),
    )
]


def without_unshared(text: str) -> str:
    """Put words in place of what no two servers say alike: uids, versions, times and ages, addresses, column widths."""
    for pattern, instead in _UNSHARED:
        text = pattern.sub(instead, text)
    return text


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    return without_unshared(f"exit code {done.returncode}\n{done.stdout}{done.stderr}").splitlines()


class SideBySide:
    """Runs commands at both."""

    def __init__(self, gateway: Gateway, plane: ControlPlane, program: Path | None = None, editor: str = "") -> None:
        """`program` is the kubectl to use, the built one by default; `editor` is what its `edit` runs."""
        self._gateway, self._plane = gateway, plane
        ours = gateway.kubectl(gateway.admin, program, editor=editor)
        home = gateway.folder / "home-there"
        home.mkdir(exist_ok=True)
        self.gateway = ours
        self.kube = Kubectl(ours.program, plane.kubeconfig, home, editor=editor)

    def by(self, program: Path | None = None, *, editor: str = "") -> "SideBySide":
        """Return the same for another kubectl or editor."""
        return SideBySide(self._gateway, self._plane, program or self.gateway.program, editor)

    def same(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command at both and return what the gateway said on standard output.

        Raises:
            AssertionError: They end differently or say different things.
        """
        ours, theirs = self.each(*arguments, stdin=stdin)
        difference = list(unified_diff(_said(theirs), _said(ours), "kube-apiserver", "gateway", n=1, lineterm=""))
        assert not difference, "\n".join([f"kubectl {' '.join(arguments)}", *difference])
        return ours.stdout

    def each(self, *arguments: str, stdin: str | None = None) -> Sequence[subprocess.CompletedProcess[str]]:
        """Run a command at both at once."""
        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(kubectl.run, *arguments, stdin=stdin) for kubectl in (self.gateway, self.kube)]
            return [run.result() for run in runs]

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """Create a namespace at both for a while; nobody waits for its end."""
        for kubectl in (self.gateway, self.kube):
            kubectl.output("create", "namespace", name)
        yield name
        self.each("delete", "namespace", name, "--wait=false")
