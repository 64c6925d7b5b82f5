import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from cache.lister_watcher import Expired, Unavailable
from gateway.apimachinery.meta import ObjectKey
from gateway.simulation.propagation.informer import Informer
from tests.support import virtual_time


def obj(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "n", "resourceVersion": str(version)}}


def line(kind: str, body: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


class Script:
    """Lists and watches as written down: a list of names, or an error; chunks, errors and silence of watches."""

    def __init__(self, lists: list[Any], watches: list[list[Any]]) -> None:
        self.lists = lists
        self.watches = watches
        self.watched_from: list[str] = []

    async def list(self, *, limit: int, continue_token: str) -> bytes:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        items = [obj(name, 1) for name in answer]
        return json.dumps({"metadata": {"resourceVersion": "10"}, "items": items}).encode()

    async def watch(self, *, resource_version: str, timeout_seconds: int) -> AsyncGenerator[bytes, None]:
        self.watched_from.append(resource_version)
        for step in self.watches.pop(0) if self.watches else [None]:
            if isinstance(step, Exception):
                raise step
            if step is None:
                await asyncio.sleep(1e6)
            else:
                yield step


def follow(script: Script, seconds: float = 30) -> tuple[list[str], list[str]]:
    """Run an informer over a script; return the names it knows in the end, and those it told of, in order."""
    told: list[str] = []
    informer = Informer("it", script, lambda key: told.append(key.name))

    async def main() -> None:
        running = asyncio.get_running_loop().create_task(informer.run())
        await asyncio.sleep(seconds)
        running.cancel()

    virtual_time.run(main())
    assert informer.synced
    assert all(key == ObjectKey("n", key.name) for key in informer.objects)
    return sorted(key.name for key in informer.objects), told


def test_objects_are_listed_and_then_followed() -> None:
    added, gone = line("ADDED", obj("c", 11)), line("DELETED", obj("a", 12))
    script = Script([["a", "b"]], [[b"", added[:20], added[20:] + gone, line("BOOKMARK", obj("", 15))]])
    assert follow(script) == (["b", "c"], ["a", "b", "c", "a"])
    assert script.watched_from == ["10", "15"]


def test_after_a_failure_everything_is_listed_anew_and_told_of() -> None:
    script = Script(
        [Unavailable("down"), ["a"], ["b"]],
        [[b"", Unavailable("broken off")]],
    )
    assert follow(script) == (["b"], ["a", "a", "b"])


def test_a_version_that_is_too_old_is_no_failure() -> None:
    expired = line("ERROR", {"code": 410, "message": "too old"})
    script = Script([["a"], ["a"]], [[b"", expired]])
    assert follow(script, seconds=0.1) == (["a"], ["a", "a"])
    script = Script([["a"], ["a"]], [[Expired("too old")]])
    assert follow(script, seconds=0.1) == (["a"], ["a", "a"])


def test_other_errors_in_a_watch_and_what_is_no_json_are_failures() -> None:
    script = Script([["a"], ["a"], ["b"]], [[line("ERROR", {"code": 500, "message": "x"})], [b"{\n"]])
    assert follow(script) == (["b"], ["a", "a", "a", "b"])


def test_a_server_that_falls_silent_is_asked_again() -> None:
    script = Script([["a"], ["b"]], [[b"", None]])
    assert follow(script, seconds=200) == (["b"], ["a", "a", "b"])
