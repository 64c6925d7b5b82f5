"""A program that is read line by line while it runs: a watch, `logs -f`, a port-forward, an informer."""

import queue
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self


class Lines:
    """A running program whose standard output is waited for; leaving its `with` block kills it."""

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start it, in the given environment or that of this process."""
        self._command = [str(part) for part in command]
        self._popen = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        # None stands for the end of the output.
        self._coming: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self.seen: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_output, args=[self._popen.stdout], daemon=True),
            threading.Thread(target=self._errors.extend, args=[self._popen.stderr], daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def next_line(self, matches: Callable[[str], bool] = lambda _: True, timeout: float = 30) -> str:
        """The next line, not yet returned, that matches; the ones before it are kept in `seen` as well.

        Raises:
            AssertionError: The program has ended, or no such line has come after `timeout` seconds of silence.
        """
        while True:
            try:
                line = self._coming.get(timeout=timeout)
            except queue.Empty:
                raise AssertionError(f"no such line in time: {self._story()}") from None
            if line is None:
                # Whoever asks again is told the same.
                self._coming.put(None)
                raise AssertionError(f"ended without such a line: {self._story()}")
            self.seen.append(line)
            if matches(line):
                return line

    def send(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()

    def end_input(self) -> None:
        """Close its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()

    def wait(self, timeout: float = 30) -> int:
        """Its exit code, when it ends by itself; all its lines are in `seen` then.

        Raises:
            subprocess.TimeoutExpired: It has not ended after `timeout` seconds.
        """
        code = self._popen.wait(timeout)
        for reader in self._readers:
            reader.join()
        while (line := self._coming.get()) is not None:
            self.seen.append(line)
        self._coming.put(None)
        return code

    @property
    def errors(self) -> str:
        """What it has written to standard error so far."""
        return "".join(self._errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._popen.kill()
        self._popen.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                # A line was still on its way in.
                pass

    def _read_output(self, output: IO[str]) -> None:
        for line in output:
            self._coming.put(line.rstrip("\n"))
        self._coming.put(None)

    def _story(self) -> str:
        last = "\n".join(self.seen[-20:])
        return f"{' '.join(self._command)}\n--- output\n{last}\n--- errors\n{self.errors}"
