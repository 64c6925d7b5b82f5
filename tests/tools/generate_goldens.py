"""Let Kubernetes' own encoders write the golden data of the codec tests.

Run it with Go on the PATH, after a change of the API version, the samples or the bodies:

    python -m tests.tools.generate_goldens

`samples.yaml` holds objects as people write them, `bodies.json` JSON bodies that strict decoding has something to say
about, `yaml_texts.json` YAML that is odd or broken. The results are lists of JSON objects, compressed, because one of
each kind filled to the brim is large.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.tools.generate_protobuf_schema import FACTS_PROGRAM

TESTDATA = Path(__file__).parents[1] / "gateway" / "apimachinery" / "testdata"


def ask_kubernetes(command: str, question: Any = None) -> list[dict[str, Any]]:
    """Run the Go program with a question on its standard input and return its answer."""
    run = subprocess.run(
        ["go", "run", ".", command],
        cwd=FACTS_PROGRAM,
        check=True,
        capture_output=True,
        input=json.dumps(question, separators=(",", ":")).encode(),
    )
    answer: list[dict[str, Any]] = json.loads(run.stdout)
    return answer


def write_goldens(name: str, goldens: list[dict[str, Any]]) -> None:
    """Write one list of goldens."""
    text = "".join(json.dumps(golden, ensure_ascii=False) + "\n" for golden in goldens)
    (TESTDATA / name).write_bytes(lzma.compress(text.encode(), preset=9))
    print(f"{name}: {len(goldens)} goldens")


def main() -> int:
    """Write all goldens; return the exit code."""
    samples = list(yaml.safe_load_all((TESTDATA / "samples.yaml").read_text(encoding="utf-8")))
    bodies = json.loads((TESTDATA / "bodies.json").read_bytes())
    texts = json.loads((TESTDATA / "yaml_texts.json").read_bytes())
    write_goldens("kinds.jsonl.xz", ask_kubernetes("fill"))
    write_goldens("samples.jsonl.xz", ask_kubernetes("encode", samples))
    write_goldens("strict.jsonl.xz", ask_kubernetes("strict", bodies))
    write_goldens("yaml.jsonl.xz", ask_kubernetes("yaml", texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
