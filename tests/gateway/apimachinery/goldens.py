"""Goldens that Kubernetes' own encoders wrote; `tests/tools/generate_goldens.py` makes them."""

import base64
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TESTDATA = Path(__file__).parent / "testdata"


@dataclass(frozen=True)
class Golden:
    case: str
    protobuf: bytes
    json: dict[str, Any]
    frame: bytes

    def __repr__(self) -> str:
        return self.case.replace(" ", "-")


def load(name: str) -> list[dict[str, Any]]:
    text = lzma.decompress((TESTDATA / name).read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def _goldens(name: str) -> list[Golden]:
    return [
        Golden(
            entry["case"],
            base64.b64decode(entry["protobuf"]),
            entry["json"],
            base64.b64decode(entry.get("frame", "")),
        )
        for entry in load(name)
    ]


KINDS = _goldens("kinds.jsonl.xz")
SAMPLES = _goldens("samples.jsonl.xz")


def sample(case: str) -> Golden:
    return next(golden for golden in SAMPLES if golden.case == case)
