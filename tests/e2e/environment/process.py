"""One program that runs in the background, with the faults that tests do to it.

Every program is the leader of its own process group, and known to a watchdog from its first moment to its end, so that
none outlives the test run, however that ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class Watchdog:
    """The process that cleans up after this one; it is started at the first use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def tell(self, command: str) -> None:
        """Send one line of the watchdog's commands."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("watchdog.py")],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()


_watchdog = Watchdog()


def temporary_folder(prefix: str) -> Path:
    """A new folder under the system's temporary folder; it goes with this process at the latest."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    _watchdog.tell(f"folder {path}")
    return path


def remove_folder(path: Path) -> None:
    """Remove a temporary folder now."""
    shutil.rmtree(path, ignore_errors=True)


class Process:
    """A program with fixed arguments: started, stopped, killed, frozen, started again."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Nothing is started yet; `log` gets standard output and error, `environment` is added to this process' own."""
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = dict(os.environ) | dict(environment or {})
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running, or last, instance."""
        assert self._popen is not None, f"{self.name} was never started"
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has been started and has not ended; a frozen one is running."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it."""
        assert not self.running, f"{self.name} is running"
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        _watchdog.tell(f"+{self.pid}")

    def kill(self) -> None:
        """SIGKILL: it is gone at once, and its connections are reset."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections for it, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it stood."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, patience: float = 5.0) -> None:
        """SIGTERM, and SIGKILL when it has not ended after `patience` seconds; nothing when it is not running."""
        self._end(signal.SIGTERM, patience)

    def restart(self) -> None:
        """Start it anew, after killing it when it is running."""
        self.kill()
        self.start()

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready` is true.

        Raises:
            RuntimeError: It has ended, or is not ready after `timeout` seconds; with the last lines of its log.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise RuntimeError(f"{self.name} has ended:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not ready after {timeout:.0f} s:\n{self._last_lines()}")
            time.sleep(0.1)

    def _end(self, signal_number: signal.Signals, patience: float = 5.0) -> None:
        if self._popen is None or not self.running:
            return
        self._popen.send_signal(signal_number)
        # A frozen process takes SIGTERM only when it is thawed.
        self._popen.send_signal(signal.SIGCONT)
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        # What the program itself has started goes with it, such as the commands of a kwok exec.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        _watchdog.tell(f"-{self.pid}")

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
