"""The discovery documents of a real kube-apiserver 1.36 with one custom resource (CloneSet), as it sent them."""

import functools
import json
import lzma
from pathlib import Path
from typing import Any

from gateway.discovery.parsing import parse_aggregated
from gateway.discovery.surface import ApiGroup

_FILE = Path(__file__).parent / "testdata" / "kube_apiserver_1_36.json.xz"


@functools.cache
def recorded() -> dict[str, Any]:
    """`aggregated` (version v2) and `legacy`, each by path."""
    document: dict[str, Any] = json.loads(lzma.decompress(_FILE.read_bytes()))
    return document


def groups() -> tuple[ApiGroup, ...]:
    """What the real one serves, as read from its aggregated documents."""
    documents = recorded()["aggregated"]
    return (*parse_aggregated(documents["/api"], {}), *parse_aggregated(documents["/apis"], {}))
