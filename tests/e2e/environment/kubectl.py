"""kubectl as a user runs it, kept apart from the machine's own configuration and caches."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.e2e.environment.lines import Lines


class Kubectl:
    """One kubectl with one kubeconfig; its discovery cache is its own."""

    def __init__(self, program: Path, kubeconfig: Path, folder: Path, *, editor: str = "") -> None:
        """`folder` is its home, and holds its cache; `editor` is the command that `kubectl edit` runs."""
        self.program = program
        self.kubeconfig = kubeconfig
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
        self._environment |= {"HOME": str(folder), "KUBECONFIG": str(kubeconfig), "LC_ALL": "C"}
        self._environment |= {"KUBE_EDITOR": editor} if editor else {}
        self._command = [str(program), f"--cache-dir={folder / 'cache'}"]

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is.

        Raises:
            subprocess.TimeoutExpired: It has not ended after `timeout` seconds; it is killed.
        """
        return subprocess.run(
            [*self._command, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=timeout,
            check=False,
        )

    def output(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Its standard output.

        Raises:
            AssertionError: It has failed.
        """
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, (
            f"kubectl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def follow(self, *arguments: str) -> Lines:
        """Run it in the background, to be read line by line: a watch, `logs -f`, a port-forward."""
        return Lines([*self._command, *arguments], self._environment)


def kubectl_versions(built: Path) -> dict[str, Path]:
    """Every kubectl at hand by name: the built one, and those of other minor versions beside the machine's own."""
    versions = {"kubectl": built}
    own = shutil.which("kubectl")
    if own is not None:
        beside = sorted(Path(own).resolve().parent.glob("kubectl.1.*"))
        versions |= {path.name: path for path in beside if re.fullmatch(r"kubectl\.1\.\d+", path.name)}
    return versions
