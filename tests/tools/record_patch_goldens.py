"""Record what a real kube-apiserver makes of patches, server-side applies and other writes, managedFields and all.

    python -m tests.tools.record_patch_goldens

It starts a control plane without workload controllers, plays tests/gateway/apimachinery/patch/testdata/scenarios.yaml
and writes one golden a step beside it: the object before, the request, and the answer.
"""

from __future__ import annotations

import json
import lzma
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.e2e.environment.build import built_programs
from tests.e2e.environment.client import Client, UnexpectedStatus
from tests.e2e.environment.fleet import Fleet

TESTDATA = Path(__file__).parents[1] / "gateway" / "apimachinery" / "patch" / "testdata"
METHODS = {"create": "POST", "update": "PUT"}
MEDIA_TYPES = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


def ask(client: Client, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
    """Return the answer to a request: an object, or the Status of a refusal; None where the server hung up on it."""
    try:
        return client.request(method, path, body, content_type=content_type)
    except UnexpectedStatus as refusal:
        return json.loads(str(refusal).partition(": ")[2])
    except OSError as error:
        print(f"{method} {path}: {error}", json.dumps(body), file=sys.stderr)
        return None


def play(client: Client, path: str, step: list[Any]) -> dict[str, Any]:
    """Do one step and return its golden."""
    verb, manager, body, *rest = step
    options = rest[0] if rest else {}
    before = ask(client, "GET", path)
    old = None if before["kind"] == "Status" else before
    if verb == "update":
        body = {**before, **body}
        body["metadata"] = {**before["metadata"], **body["metadata"]}
    query = {"fieldManager": manager, **({"force": "true"} if options.get("force") else {})}
    subresource = options.get("subresource", "")
    target = path.rpartition("/")[0] if verb == "create" else path + (f"/{subresource}" if subresource else "")
    content_type = MEDIA_TYPES.get(verb, "application/json")
    answer = ask(client, METHODS.get(verb, "PATCH"), f"{target}?{urlencode(query)}", body, content_type)
    if subresource == "scale" and answer and answer["kind"] != "Status":
        answer = ask(client, "GET", path)
    return {"old": old, "verb": verb, "manager": manager, "body": body, "options": options, "answer": answer}


def main() -> int:
    """Play every scenario and write the goldens; return the exit code."""
    scenarios = yaml.safe_load((TESTDATA / "scenarios.yaml").read_text(encoding="utf-8"))
    lines = []
    with Fleet(built_programs(), members=0, nodes=0) as fleet:
        client = fleet.federation.client
        for definition in scenarios["crds"]:
            client.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        time.sleep(5)  # until the custom resources are served
        for name, scenario in scenarios["scenarios"].items():
            path = scenario["path"]
            ask(client, "DELETE", f"{path}?gracePeriodSeconds=0")
            for step in scenario["steps"]:
                lines.append(json.dumps({"scenario": name, **play(client, path, step)}, ensure_ascii=False) + "\n")
                time.sleep(1.05)  # entries of managedFields are told apart by their time, which is in seconds
    (TESTDATA / "goldens.jsonl.xz").write_bytes(lzma.compress("".join(lines).encode(), preset=9))
    print(f"{len(lines)} goldens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
