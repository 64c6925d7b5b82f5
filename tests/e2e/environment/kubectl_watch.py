"""`kubectl get -w`, read as the lines of the informer program."""

import json
import re
import threading
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tests.e2e.environment.clientgo import Onlooker
from tests.e2e.environment.watched_objects import described, key


class KubectlWatch(Onlooker):
    """A kubectl that watches one resource in all namespaces; it ends when its watch does.

    Nothing tells the end of the first list that it prints, so SYNCED comes with the first event.
    """

    def __init__(self, program: Path, kubeconfig: Path, resource: str) -> None:
        """Start it; its discovery cache lies beside the kubeconfig."""
        self._plural = resource.partition(".")[0]
        self._held: dict[str, Any] = {}
        self._applying = threading.Lock()
        cache = kubeconfig.with_name(f"kubectl-cache-{resource}")
        get = ["get", resource, "-A", "-w", "--output-watch-events", "-o", "json"]
        # At level 6 it names its requests.
        super().__init__([program, "--kubeconfig", kubeconfig, f"--cache-dir={cache}", "-v=6", *get])

    def send(self, line: str) -> None:
        """Answer a question for the store, as the other programs do."""
        assert line == "store"
        with self._applying:
            items = [described(item) for _, item in sorted(self._held.items())]
            self._tell({"type": "STORE", "resourceVersion": "", "items": items})

    def requests(self) -> list[str]:
        """The URI of every request for the resource that was answered so far."""
        urls = [urlsplit(url) for url in re.findall(r'"Response" verb="GET" url="([^"]+)"', self.errors)]
        return [f"{url.path}?{url.query}" for url in urls if url.path.endswith(f"/{self._plural}")]

    def _read_output(self, output: IO[str]) -> None:
        for line in output:
            event = json.loads(line)
            with self._applying:
                self._apply(event["type"], event["object"])
        self._coming.put(None)

    def _apply(self, event_type: str, item: Any) -> None:
        if not self._held:
            self._tell({"type": "SYNCED", "count": 1})
        if event_type == "DELETED":
            self._held.pop(key(item))
        else:
            self._held[key(item)] = item
        self._tell({"type": event_type, **described(item)})

    def _tell(self, line: dict[str, Any]) -> None:
        self._coming.put(json.dumps(line))
