"""One etcd on loopback, which trades durability against a crash of the machine for speed."""

import base64
import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.environment.ports import free_port
from tests.e2e.environment.process import Process


class Etcd:
    """An etcd with its data in `folder`; it can be set back to an earlier state, as after a restored backup."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Nothing is started yet."""
        folder.mkdir(parents=True, exist_ok=True)
        self._data = folder / "data"
        self.url = f"http://127.0.0.1:{free_port()}"
        peer = f"http://127.0.0.1:{free_port()}"
        self.process = Process(
            "etcd",
            [
                *(program, "--data-dir", self._data, "--unsafe-no-fsync", "--log-level", "warn"),
                *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
                *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                *("--initial-cluster", f"default={peer}"),
                # Room for tens of thousands of Pods and their history.
                *("--quota-backend-bytes", str(4 * 1024**3)),
            ],
            folder / "etcd.log",
        )

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        self.process.start()
        self.process.wait_until(self._healthy, timeout=30)

    def save(self, backup: Path) -> None:
        """Copy its state into the new folder `backup`; it stands still for the time of the copy."""
        self.process.kill()
        shutil.copytree(self._data, backup)
        self.start()

    def restore(self, backup: Path) -> None:
        """Go back to a saved state. The kube-apiservers in front of it have to be restarted."""
        self.process.kill()
        shutil.rmtree(self._data)
        shutil.copytree(backup, self._data)
        self.start()

    def empty(self) -> None:
        """Lose everything, as after the loss of a disk. The kube-apiservers in front of it have to be restarted."""
        self.process.kill()
        shutil.rmtree(self._data)
        self.start()

    def compact(self) -> None:
        """Forget all history: only the present state can be read from now on."""
        revision = self._call("range", {"key": _encoded(b"/")})["header"]["revision"]
        self._call("compaction", {"revision": revision, "physical": True})

    def _call(self, name: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(f"{self.url}/v3/kv/{name}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as response:
                return b'"true"' in response.read()
        except (urllib.error.URLError, OSError):
            return False


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()
