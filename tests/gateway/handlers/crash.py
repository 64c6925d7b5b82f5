"""A process that carries out one write and is killed at a given point, then leaves its files to the test.

Run as `python -m tests.gateway.handlers.crash FOLDER VERB POINT`. The store is a file that is replaced atomically, so
it survives as a real store would.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from gateway.apimachinery import meta
from gateway.apimachinery.patch.patch import MERGE_PATCH
from gateway.audit.event import State
from gateway.audit.record import AuditRecord
from gateway.write_request import Precondition, WriteRequest, WriteResult
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import DEPLOYMENT, DEPLOYMENTS, WEB, Gateway

VERBS = {
    "create": ("POST", DEPLOYMENTS, {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "new"}}),
    "update": (
        "PUT",
        WEB,
        {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"}, "spec": {"replicas": 2}},
    ),
    "patch": ("PATCH", WEB, {"spec": {"replicas": 2}}),
    "delete": ("DELETE", WEB, None),
    "deletecollection": ("DELETE", DEPLOYMENTS, None),
}
POINTS = ("before-intent", "after-intent", "after-apply", "after-outcome")


def load(folder: Path) -> MemoryTarget:
    """Read the store as it is on disk, versions and uids included."""
    target = FileTarget(folder)
    for obj in json.loads((folder / "store.json").read_text()):
        target.objects[meta.key(obj)] = obj
    return target


class FileTarget(MemoryTarget):
    def __init__(self, folder: Path, die_after: str = "") -> None:
        super().__init__(DEPLOYMENT)
        self._folder = folder
        self._die_after = die_after

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        if self._die_after == "after-intent":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await super().apply(request, precondition)
        self.save()
        if self._die_after == "after-apply":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def save(self) -> None:
        following = self._folder / "store.new"
        following.write_text(json.dumps(list(self.objects.values())))
        following.replace(self._folder / "store.json")


async def main(folder: Path, verb: str, point: str) -> None:
    target = FileTarget(folder, point)
    for name in ("web", "api"):
        target.put(
            {
                "kind": "Deployment",
                "apiVersion": "apps/v1",
                "metadata": {"name": name, "namespace": "shop"},
                "spec": {"replicas": 3},
            }
        )
    target.save()
    gateway = await Gateway.start(folder / "audit")
    report = gateway.audit.report

    async def reported(record: AuditRecord, state: State) -> None:
        await report(record, state)
        if point == "after-outcome":
            os.kill(os.getpid(), signal.SIGKILL)

    gateway.audit.report = reported  # type: ignore[method-assign]  # replaced for the test
    if point == "before-intent":
        os.kill(os.getpid(), signal.SIGKILL)
    method, path, body = VERBS[verb]
    await gateway.send(target, method, path, body, content_type=MERGE_PATCH if verb == "patch" else "")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
