"""Clients of every kind whose watches of all Pods stay open while something happens to a member."""

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.environment.clientgo import Informer, Onlooker


def initial_lists(informer: Onlooker) -> list[str]:
    """The requests that read everything, by a list or by the first events of a watch."""
    return [uri for uri in informer.requests() if "watch=true" not in uri or "sendInitialEvents=true" in uri]


class Onlookers:
    """Informers of client-go in all their ways, a controller-runtime cache, and a watch of the Python client."""

    def __init__(self, informers: Mapping[str, Onlooker]) -> None:
        self._informers = informers
        for informer in informers.values():
            informer.wait_for_sync()
        self._requests: dict[str, list[str]] = {}
        self._lists: dict[str, int] = {}
        self._ends_itself = 0.0

    def begin(self) -> None:
        """Whatever is asked from now on is a disturbance. Each has to have seen an event, so that its watch is open."""
        self._requests = {name: informer.requests() for name, informer in self._informers.items()}
        self._lists = {name: len(initial_lists(informer)) for name, informer in self._informers.items()}
        assert all(self._lists.values()), self._lists
        # client-go asks for watches of five to ten minutes.
        asked = re.findall(r"timeoutSeconds=(\d+)", str(self._requests))
        self._ends_itself = time.monotonic() + min(map(int, asked)) - 30

    def see(self, event_type: str, key: str) -> None:
        """Wait until each has seen an event."""
        for name, informer in self._informers.items():
            if not any(line["type"] == event_type and line["key"] == key for line in informer.events()):
                try:
                    informer.next_of(event_type, key=key)
                except AssertionError as error:
                    raise AssertionError(f"{name} does not see {event_type} {key}") from error

    def hold(self, expected: Mapping[str, str], timeout: float = 60) -> None:
        """Wait until each holds exactly these objects, cluster by uid."""
        end = time.monotonic() + timeout
        for name, informer in self._informers.items():
            while (held := {item["uid"]: item["cluster"] for item in informer.store()}) != expected:
                differing = held.items() ^ expected.items()
                assert time.monotonic() < end, f"{name} differs: {differing}"
                time.sleep(0.2)

    def seen_since(self, marks: Mapping[str, int]) -> dict[str, list[tuple[str, str, str]]]:
        """The type, key and cluster of every event that each has seen after the marks."""
        return {
            name: [(line["type"], line["key"], line["cluster"]) for line in informer.events()[marks[name] :]]
            for name, informer in self._informers.items()
        }

    def marks(self) -> dict[str, int]:
        """How many events each has seen until now."""
        for informer in self._informers.values():
            informer.store()
        return {name: len(informer.events()) for name, informer in self._informers.items()}

    def assert_undisturbed(self) -> None:
        """None was told of an error or has read everything anew; and no watch has ended before its time."""
        for name, informer in self._informers.items():
            informer.store()
            assert not informer.watch_errors(), name
            assert len(initial_lists(informer)) == self._lists[name], f"{name} has listed anew: {informer.requests()}"
            if time.monotonic() < self._ends_itself:
                assert informer.requests() == self._requests[name], name


@contextmanager
def onlookers(binaries: Mapping[str, Path], kubeconfig: Path) -> Iterator[Onlookers]:
    """Open a watch of each kind."""
    with ExitStack() as stack:
        informers: dict[str, Onlooker] = {
            f"informer, WatchList {watch_list}, {content_type}": Informer(
                binaries["informer"], kubeconfig, watch_list=watch_list, content_type=content_type
            )
            for watch_list in (True, False)
            for content_type in ("json", "protobuf")
        }
        informers["controller-runtime"] = Onlooker([binaries["controllerruntime"], "--kubeconfig", kubeconfig])
        informers["Python client"] = Onlooker([sys.executable, "-m", "tests.e2e.environment.python_watch", kubeconfig])
        for informer in informers.values():
            stack.enter_context(informer)
        yield Onlookers(informers)
