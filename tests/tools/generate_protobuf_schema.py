"""Derive gateway/apimachinery/protobuf_schema.json from the Go types of the Kubernetes API modules.

Run it with Go on the PATH, after changing the version in tests/tools/kubernetes_facts/go.mod:

    python -m tests.tools.generate_protobuf_schema

The Go program beside this file reads the struct tags; this script only makes the result compact: facts about the wire
format (field numbers, names, types), one message a line so that an upgrade shows as a readable diff.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

FACTS_PROGRAM = Path(__file__).parent / "kubernetes_facts"
TABLE = Path(__file__).parents[2] / "gateway" / "apimachinery" / "protobuf_schema.json"


def _package(message: str) -> str:
    return message.rpartition(".")[0]


def pack_messages(messages: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """Group messages by package; a reference to a message of the same package loses its package name."""
    packed: dict[str, dict[str, str]] = {}
    for name in sorted(messages):
        package, _, short = name.rpartition(".")
        fields = [line.replace(f"@{package}.", "@.") for line in messages[name]]
        packed.setdefault(package, {})[short] = ";".join(fields)
    return packed


def pack_kinds(kinds: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """List each apiVersion's kinds behind their package; a kind made elsewhere is written `Kind=package.Message`.

    The options and WatchEvent, which every group has, stand once under the apiVersion "*".
    """
    spread = Counter((kind, message) for of_version in kinds.values() for kind, message in of_version.items())
    everywhere = {kind for (kind, _), count in spread.items() if count > len(kinds) / 2}
    packed = {"*": ["meta/v1", *sorted(everywhere)]}
    for api_version in sorted(kinds):
        own = {kind: message for kind, message in kinds[api_version].items() if kind not in everywhere}
        package = Counter(_package(message) for message in own.values()).most_common(1)[0][0]
        entries = [kind if message == f"{package}.{kind}" else f"{kind}={message}" for kind, message in own.items()]
        packed[api_version] = [package, *sorted(entries)]
    return packed


def render(messages: Mapping[str, Mapping[str, str]], kinds: Mapping[str, Sequence[str]], source: str) -> str:
    """Write the table as JSON with one message or apiVersion a line."""

    def lines(entries: Mapping[str, object], indent: str) -> str:
        return ",\n".join(f"{indent}{json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items())

    packages = ",\n".join(
        f"  {json.dumps(package)}: {{\n{lines(of_package, '   ')}\n  }}" for package, of_package in messages.items()
    )
    return (
        f'{{\n "source": {json.dumps(source)},\n'
        f' "kinds": {{\n{lines(kinds, "  ")}\n }},\n'
        f' "messages": {{\n{packages}\n }}\n}}\n'
    )


def main() -> int:
    """Write the table; return the exit code."""
    run = subprocess.run(["go", "run", ".", "facts"], cwd=FACTS_PROGRAM, check=True, capture_output=True)
    facts = json.loads(run.stdout)
    text = render(pack_messages(facts["messages"]), pack_kinds(facts["kinds"]), facts["source"])
    TABLE.write_text(text, encoding="utf-8")
    print(f"{TABLE}: {len(facts['messages'])} messages, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
