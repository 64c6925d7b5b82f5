"""What a real kube-apiserver made of the writes in testdata/scenarios.yaml, as tests read it.

Recorded by tests/tools/record_patch_goldens.py.
"""

from __future__ import annotations

import functools
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.apimachinery.patch.typed_schema import TypeSchema, builtin_type, custom_type
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind

TESTDATA = Path(__file__).parent / "testdata"
MEDIA_TYPES = {
    "json": JSON_PATCH,
    "merge": MERGE_PATCH,
    "strategic": STRATEGIC_MERGE_PATCH,
    "apply": APPLY_PATCH,
}


@dataclass(frozen=True)
class Golden:
    """One write: the object before (None: absent), what was asked, and the object or Status that was answered."""

    name: str
    old: JsonObject | None
    verb: str
    manager: str
    body: Any
    force: bool
    subresource: str
    answer: JsonObject

    @property
    def refused(self) -> bool:
        return bool(self.answer["kind"] == "Status")

    @property
    def gvk(self) -> GroupVersionKind:
        known = self.old or (self.body if self.refused else self.answer)
        return GroupVersion.parse(known["apiVersion"]).kind(known["kind"])

    @property
    def options(self) -> PatchOptions:
        return PatchOptions(type_of(self.gvk), self.manager, self.now, self.subresource, self.force)

    @property
    def now(self) -> str:
        """When the write was done: the newest time in the answer, if the write left one."""
        before = {entry.get("time") for entry in managed_fields(self.old or {})}
        times = {entry["time"] for entry in managed_fields(self.answer) if "time" in entry} - before
        return max(times, default="2099-01-01T00:00:00Z")


def managed_fields(obj: JsonObject) -> list[JsonObject]:
    entries: list[JsonObject] = obj["metadata"].get("managedFields", []) if "metadata" in obj else []
    return entries


@functools.cache
def scenarios() -> JsonObject:
    loaded: JsonObject = yaml.safe_load((TESTDATA / "scenarios.yaml").read_text(encoding="utf-8"))
    return loaded


@functools.cache
def type_of(gvk: GroupVersionKind) -> TypeSchema:
    builtin = builtin_type(gvk)
    return builtin or custom_type(gvk, scenarios()["schemas"][gvk.kind], status_subresource=gvk.kind == "Widget")


@functools.cache
def goldens() -> list[Golden]:
    found = []
    counts: dict[str, int] = {}
    for line in lzma.decompress((TESTDATA / "goldens.jsonl.xz").read_bytes()).decode().splitlines():
        record = json.loads(line)
        scenario = record["scenario"]
        counts[scenario] = counts.get(scenario, 0) + 1
        options = record["options"]
        found.append(
            Golden(
                f"{scenario}: step {counts[scenario]}",
                record["old"],
                record["verb"],
                record["manager"],
                record["body"],
                options.get("force", False),
                options.get("subresource", ""),
                record["answer"],
            )
        )
    return found
