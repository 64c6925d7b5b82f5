"""How large an object may become: what etcd takes from kube-apiserver with the settings both have by default. Pure."""

from __future__ import annotations

from typing import Final

from gateway.apimachinery import protobuf
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.storage.interface import encode_value

MAX_STORED_SIZE: Final = 1536 * 1024
"""Bytes of a request that etcd takes (`--max-request-bytes`); here of the object alone."""


def encode_bounded(obj: JsonObject, *, applied: bool) -> bytes:
    """Return `encode_value(obj)` for an object in its stored form, of a size that etcd takes.

    An object that is too large only because of its managedFields loses them, unless it is `applied`: so does
    kube-apiserver (k8s.io/apiserver `endpoints/handlers`, isTooLargeError). Raises ApiError 500 with etcd's words,
    which kube-apiserver passes on; where its client of etcd refuses first (above 2 MiB) the text is another.
    """
    value = encode_value(obj)
    if _fits(obj, value):
        return value
    if not applied and "managedFields" in obj["metadata"]:
        metadata = {name: field for name, field in obj["metadata"].items() if name != "managedFields"}
        lighter = {**obj, "metadata": metadata}
        value = encode_value(lighter)
        if _fits(lighter, value):
            return value
    raise ApiError(500, "", "etcdserver: request is too large")


def _fits(obj: JsonObject, value: bytes) -> bool:
    """Whether etcd would take the object: built-in kinds are kept as protobuf there, which is shorter than JSON."""
    if len(value) <= MAX_STORED_SIZE:
        return True
    if not protobuf.is_built_in(obj["apiVersion"], obj["kind"]):
        return False
    try:
        return len(protobuf.encode(obj)) <= MAX_STORED_SIZE
    except protobuf.ProtobufError:
        return False
