"""Record what a real kube-apiserver says of objects, most of them wrong: what it takes, and why it refuses the rest.

    python -m tests.tools.record_validation_goldens

It starts a control plane without workload controllers, sends the objects of tests/gateway/storage/validation/testdata/
cases.yaml and those of tests/gateway/storage/defaulting/testdata/samples.yaml, and writes goldens beside them: the
object stored before (for changes), the object sent, and the answer.
"""

from __future__ import annotations

import json
import lzma
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gateway.apimachinery.patch.merge_patch import apply_merge_patch
from tests.e2e.environment.build import built_programs
from tests.e2e.environment.client import Client
from tests.e2e.environment.fleet import Fleet
from tests.tools.record_patch_goldens import ask

STORAGE_TESTS = Path(__file__).parents[1] / "gateway" / "storage"
CASES = STORAGE_TESTS / "validation" / "testdata"
SAMPLES = STORAGE_TESTS / "defaulting" / "testdata"


def record_cases(client: Client, group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Send the cases of one kind."""
    path, base = group["path"], group["base"]
    for patch in group.get("create", []):
        obj = apply_merge_patch(base, patch)
        yield {"old": None, "new": obj, "answer": ask(client, "POST", f"{path}?dryRun=All", obj)}
    if not group.get("update"):
        return
    old = ask(client, "POST", path, base)
    for patch in group["update"]:
        new = apply_merge_patch(old, patch)
        answer = ask(client, "PUT", f"{path}/{base['metadata']['name']}?dryRun=All", new)
        yield {"old": old, "new": new, "answer": answer}


def write_goldens(path: Path, goldens: list[dict[str, Any]]) -> None:
    """Write goldens, one line each."""
    text = "".join(json.dumps(golden, ensure_ascii=False) + "\n" for golden in goldens)
    path.write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{path.name}: {len(goldens)} goldens")


def main() -> int:
    """Record everything; return the exit code."""
    cases = yaml.safe_load((CASES / "cases.yaml").read_text(encoding="utf-8"))
    samples = yaml.safe_load((SAMPLES / "samples.yaml").read_text(encoding="utf-8"))
    definition = yaml.safe_load((CASES / "things.yaml").read_text(encoding="utf-8"))
    with Fleet(built_programs(), members=0, nodes=0) as fleet:
        client = fleet.federation.client
        client.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        time.sleep(5)  # until the custom resources are served
        goldens = [golden for group in cases for golden in record_cases(client, group)]
        defaulted = [
            {"new": obj, "answer": ask(client, "POST", f"{path}?dryRun=All", obj)}
            for path, objects in samples.items()
            for obj in objects
        ]
    write_goldens(CASES / "goldens.jsonl.xz", goldens)
    write_goldens(SAMPLES / "goldens.jsonl.xz", defaulted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
