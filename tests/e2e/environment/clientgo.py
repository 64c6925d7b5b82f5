"""The client-go programs of ../goprograms, as tests use them."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.environment.lines import Lines

Line = dict[str, Any]
EVENT_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED"})


class Onlooker(Lines):
    """A program that keeps a store of objects by list and watch, and prints as lines of JSON what happens to it."""

    def next_of(self, *types: str, timeout: float = 30, **fields: str) -> Line:
        """The next line of one of these types with these fields, such as `next_of("ADDED", key="shop/cart")`."""

        def matches(text: str) -> bool:
            line = json.loads(text)
            return line["type"] in types and all(line.get(field) == value for field, value in fields.items())

        found: Line = json.loads(self.next_line(matches, timeout))
        return found

    def wait_for_sync(self, timeout: float = 60) -> int:
        """Wait for the first state; how many objects it has."""
        count: int = self.next_of("SYNCED", timeout=timeout)["count"]
        return count

    def store(self) -> list[Line]:
        """What its store holds now: key, uid, resourceVersion, and where they are node and cluster; by key."""
        items: list[Line] = self._ask()["items"]
        return items

    def synced_version(self) -> int:
        """The LastStoreSyncResourceVersion of its store now; only an informer tells it."""
        return int(self._ask()["resourceVersion"])

    def events(self) -> list[Line]:
        """Every ADDED, MODIFIED and DELETED, up to the last line that was waited for."""
        lines = [json.loads(line) for line in self.seen]
        return [line for line in lines if line["type"] in EVENT_TYPES]

    def requests(self) -> list[str]:
        """The URI of every request it has sent, up to the last line that was waited for."""
        lines = [json.loads(line) for line in self.seen]
        return [line["uri"] for line in lines if line["type"] == "REQUEST"]

    def watch_errors(self) -> list[str]:
        """Every error of a list or watch, up to the last line that was waited for."""
        lines = [json.loads(line) for line in self.seen]
        return [line["message"] for line in lines if line["type"] == "WATCH_ERROR"]

    def _ask(self) -> Line:
        self.send("store")
        return self.next_of("STORE")


class Informer(Onlooker):
    """A shared informer of client-go over all namespaces; leaving its `with` block kills it.

    With `watch_list` it fetches its first state by WatchList and compares it with a LIST at the same resourceVersion;
    when they differ it dies with "data inconsistency detected" in `errors`.
    """

    def __init__(
        self,
        program: Path,
        kubeconfig: Path,
        *,
        resource: str = "pods",
        watch_list: bool = True,
        content_type: str = "protobuf",
    ) -> None:
        """Start it; `resource` is one of those its `-h` names, `content_type` is protobuf or json."""
        super().__init__(
            [
                *(program, "--kubeconfig", kubeconfig, "--resource", resource),
                *(f"--watchlist={'true' if watch_list else 'false'}", "--content-type", content_type),
            ]
        )


def run_typedclient(program: Path, kubeconfig: Path, *arguments: str, timeout: float = 150) -> dict[str, Any]:
    """Run the typed client; the result of each step by its name.

    Raises:
        AssertionError: A step has failed, with the error's words.
    """
    done = subprocess.run(
        [program, "--kubeconfig", kubeconfig, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    return {step["step"]: step["result"] for step in steps}
