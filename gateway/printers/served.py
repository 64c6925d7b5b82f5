"""What an object of the merged view says itself of where it came from, as printers read it."""

from __future__ import annotations

import msgspec

CLUSTER_ANNOTATION = "resource.karmada.io/cached-from-cluster"
"""Where a served object names its member."""


class ServedAnnotations(msgspec.Struct, gc=False):
    """The member, of all annotations; empty where none is named."""

    cluster: str = msgspec.field(name=CLUSTER_ANNOTATION, default="")


class ServedMetadata(msgspec.Struct, gc=False):
    """The name and the member."""

    name: str | None = None
    annotations: ServedAnnotations | None = None
