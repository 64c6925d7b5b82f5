"""The program of informers, lists and probes (tests/e2e/goprograms/storm), as a storm drives it.

It runs three times: a list or probe that waited for its own program to decode what informers got would measure that.
"""

import json
import subprocess
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any, Self

from bench import corpus
from bench.client import Endpoint
from bench.meter import CLIENT_CORES, on
from bench.storm.churn import LISTED_LABEL, LISTED_NAMESPACE, STAYS

_TIMEOUT = 120.0
_STALLED = 4


class Program:
    """One run of it; a context manager."""

    def __init__(self, program: Path, endpoint: Endpoint, *arguments: str, timeout: float = _TIMEOUT) -> None:
        """Start it and wait until its informers, if any, are in sync. Raises RuntimeError when it takes longer."""
        command = [
            *(str(program), "-url", endpoint.url, "-ca", str(endpoint.ca)),
            *("-cert", str(endpoint.certificate), "-key", str(endpoint.key)),
            *("-pod", corpus.path(STAYS), "-namespace", LISTED_NAMESPACE, "-label", LISTED_LABEL, *arguments),
        ]
        with on(CLIENT_CORES):
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        try:
            self.synced: dict[str, Any] = self._answer(timeout)
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def ask(self, command: str) -> Any:
        """Give a command; its answer. Raises RuntimeError when there is none."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._answer(_TIMEOUT)

    def _answer(self, timeout: float) -> Any:
        assert self._process.stdout is not None
        # Ends the program, and with it the line that is waited for.
        watchdog = Timer(timeout, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise RuntimeError(f"the informers' program has ended, or did not answer for {timeout:.0f} s")
        return json.loads(line)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


class Fleet:
    """All that is done to one server; a context manager.

    Attributes:
        pid: The process of the informers.
        cold_start: Seconds until all of them, which asked at once, were in sync.
        first_reads: What they counted meanwhile.
    """

    def __init__(self, program: Path, endpoint: Endpoint, *, informers: int, lists: int, timeout: float) -> None:
        """Start it and wait for all informers. Raises RuntimeError when they are not in sync in time."""
        # Some decode whole Pods, as controllers do: more of them would measure themselves on the one core they have.
        kinds = ["-full-json", str(informers // 20), "-full-protobuf", str(informers // 20)]
        with ExitStack() as stack:
            self._informers = stack.enter_context(
                Program(program, endpoint, "-informers", str(informers), *kinds, timeout=timeout)
            )
            lists_of = ("-lists", str(lists), "-stalled", str(_STALLED))
            self._lists = stack.enter_context(Program(program, endpoint, *lists_of))
            self._probes = stack.enter_context(Program(program, endpoint, "-probes"))
            self._stack = stack.pop_all()
        self.pid = self._informers.pid
        self.cold_start: float = self._informers.synced["seconds"]
        self.first_reads: dict[str, int] = self._informers.synced["seen"]["counts"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self) -> None:
        """Start the lists and probes, and count from now on."""
        for program in (self._informers, self._lists, self._probes):
            program.ask("begin")

    def end(self) -> dict[str, Any]:
        """Stop them; what they counted."""
        lists, probes = self._lists.ask("end"), self._probes.ask("end")
        return {
            "times": {name: one for name, one in [*lists["times"].items(), *probes["times"].items()] if one["count"]},
            "failures": (lists["failures"] or {}) | (probes["failures"] or {}),
        }

    def seen(self) -> dict[str, Any]:
        """What the informers counted since the beginning."""
        seen: dict[str, Any] = self._informers.ask("seen")
        return seen

    def digests(self) -> list[str]:
        """Of the store of each informer."""
        digests: list[str] = self._informers.ask("digests")
        return digests

    def store(self, number: int) -> set[str]:
        """What an informer holds, a line an object."""
        return set(self._informers.ask(f"store {number}"))

    def lists(self) -> dict[str, str]:
        """The digest of a list of each kind, read now."""
        digests: dict[str, str] = self._lists.ask("check")
        return digests
