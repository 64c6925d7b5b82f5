"""Clients of every kind whose watches of all objects stay open while something happens to a member."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

from tests.e2e.environment.clientgo import Informer, Onlooker
from tests.e2e.environment.kubectl_watch import KubectlWatch
from tests.e2e.merged_kinds import EVENTS, EVENTS_OF_THEIR_GROUP, PODS, REPLICA_SETS, WIDGETS, MergedKind

JSON, PROTOBUF = "json", "protobuf"
INFORMERS: Mapping[MergedKind, tuple[tuple[bool, str], ...]] = {
    PODS: tuple(product((True, False), (JSON, PROTOBUF))),
    EVENTS: ((True, JSON), (False, PROTOBUF)),
    EVENTS_OF_THEIR_GROUP: ((True, PROTOBUF),),
    REPLICA_SETS: ((True, PROTOBUF),),
    WIDGETS: ((True, JSON),),
}
"""Whether by WatchList, and in which content type. A client-go that asks for protobuf takes JSON, too."""
OTHERS: Mapping[MergedKind, tuple[str, ...]] = {
    PODS: ("controller-runtime", "Python client", "kubectl"),
    EVENTS: ("Python client", "kubectl"),
    # The Python client takes no Event of this group without an eventTime, which core Events mostly lack.
    EVENTS_OF_THEIR_GROUP: (),
    REPLICA_SETS: ("kubectl",),
    WIDGETS: ("controller-runtime", "Python client"),
}
Known = Mapping[tuple[str, str], str]
"""The cluster of each object, by its resource and uid."""


def initial_lists(informer: Onlooker) -> list[str]:
    """The requests that read everything, by a list or by the first events of a watch."""
    return [uri for uri in informer.requests() if "watch=true" not in uri or "sendInitialEvents=true" in uri]


class Onlookers:
    """Informers of client-go in their ways, controller-runtime caches, watches of the Python client and of kubectl."""

    def __init__(self, informers: Mapping[tuple[MergedKind, str], Onlooker], started: float) -> None:
        """`started` is when the first of them was, by the monotonic clock."""
        self._informers = informers
        self._started = started
        for informer in informers.values():
            informer.wait_for_sync(timeout=240)  # more than a dozen programs start at once
        self._requests: dict[tuple[MergedKind, str], list[str]] = {}
        self._lists: dict[tuple[MergedKind, str], int] = {}
        self._ends_itself = 0.0

    def begin(self) -> None:
        """Whatever is asked from now on is a disturbance. Each has to have seen an event, so that its watch is open."""
        self._requests = {name: informer.requests() for name, informer in self._informers.items()}
        self._lists = {name: len(initial_lists(informer)) for name, informer in self._informers.items()}
        assert all(self._lists.values()), self._lists
        # client-go asks for watches of five to ten minutes.
        asked = re.findall(r"timeoutSeconds=(\d+)", str(self._requests))
        self._ends_itself = self._started + min(map(int, asked)) - 30

    def see(self, event_type: str, key: str, *, of: Callable[[MergedKind], bool] = lambda _: True) -> None:
        """Wait until each, or each of some kinds, has seen an event."""
        for name, informer in self._informers.items():
            if not of(name[0]):
                continue
            if not any(line["type"] == event_type and line["key"] == key for line in informer.events()):
                try:
                    informer.next_of(event_type, key=key)
                except AssertionError as error:
                    raise AssertionError(f"{name} does not see {event_type} {key}") from error

    def hold(self, expected: Callable[[], Known], timeout: float = 60) -> None:
        """Wait until each holds exactly the objects of its kind among those that are expected now."""
        end = time.monotonic() + timeout
        for name, informer in self._informers.items():
            resource = name[0].resource
            while differing := {
                (resource, item["uid"]): item.get("cluster", "") for item in informer.store()
            }.items() ^ {entry for entry in expected().items() if entry[0][0] == resource}:
                assert time.monotonic() < end, f"{name} differs: {differing}"
                time.sleep(0.2)

    def seen_since(
        self, marks: Mapping[tuple[MergedKind, str], int]
    ) -> dict[tuple[MergedKind, str], list[tuple[str, str, str]]]:
        """The type, key and cluster of every event that each has seen after the marks."""
        return {
            name: [(line["type"], line["key"], line.get("cluster", "")) for line in informer.events()[marks[name] :]]
            for name, informer in self._informers.items()
        }

    def marks(self) -> dict[tuple[MergedKind, str], int]:
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
    """Open watches of each kind."""
    started = time.monotonic()
    with ExitStack() as stack:
        informers: dict[tuple[MergedKind, str], Onlooker] = {}

        def add(kind: MergedKind, name: str, informer: Onlooker) -> None:
            informers[kind, name] = stack.enter_context(informer)

        for kind, ways in INFORMERS.items():
            for watch_list, content in ways:
                informer = Informer(
                    binaries["informer"],
                    kubeconfig,
                    resource=kind.resource,
                    watch_list=watch_list,
                    content_type=content,
                )
                add(kind, f"informer, WatchList {watch_list}, {content}", informer)
            for name in OTHERS[kind]:
                add(kind, name, _other(name, binaries, kubeconfig, kind.resource))
        yield Onlookers(informers, started)


def _other(name: str, binaries: Mapping[str, Path], kubeconfig: Path, resource: str) -> Onlooker:
    match name:
        case "controller-runtime":
            return Onlooker([binaries["controllerruntime"], "--kubeconfig", kubeconfig, "--resource", resource])
        case "Python client":
            return Onlooker([sys.executable, "-m", "tests.e2e.environment.python_watch", kubeconfig, resource])
        case _:
            return KubectlWatch(binaries["kubectl"], kubeconfig, resource)
