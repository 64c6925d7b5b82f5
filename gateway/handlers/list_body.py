"""A list as it is sent: its entries are written one by one in every media type, so that no list is ever held decoded.

JSON is joined from the bytes that are stored. YAML and protobuf have to look into every object: that is done in a
thread, a few objects at a time, so that other requests go on and a client that leaves ends the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from gateway.apimachinery.codec import encode_yaml
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.protobuf import encode_list, list_item_encoder
from gateway.handlers.negotiation import JSON, PROTOBUF, Representation

_BATCH = 32


@dataclass(frozen=True, slots=True)
class ListBody:
    """`head` is the list without its entries, which stand in `field`, behind all else; `entries` can be read once."""

    head: JsonObject
    field: str
    entries: Iterator[bytes]
    joined: Iterator[list[bytes]] | None = None
    """The same entries as compact JSON, many at a time: a comma before each, and nothing copied yet."""


async def list_pieces(body: ListBody, representation: Representation) -> Iterator[bytes]:
    """Return a list in its media type, piece by piece. Raises ProtobufError for kinds that have no protobuf form."""
    if representation.media_type == JSON:
        return pretty_pieces(body) if representation.pretty else json_pieces(body)
    if representation.media_type == PROTOBUF:
        return iter(await _protobuf_pieces(body))
    return iter(await _yaml_pieces(body))


def json_pieces(body: ListBody) -> Iterator[bytes]:
    """Put stored JSON together, compactly: a piece is many entries."""
    yield msgspec.json.encode(body.head)[:-1] + f',"{body.field}":['.encode()
    joined = separated(iter(lambda: list(islice(body.entries, _BATCH)), [])) if body.joined is None else body.joined
    first = True
    for parts in joined:
        if first:
            parts[0] = parts[0].removeprefix(b",")
            first = False
        yield b"".join(parts)
    yield b"]}\n"


def separated(batches: Iterable[Sequence[bytes]]) -> Iterator[list[bytes]]:
    """Put a comma before each entry. No loop in Python goes over them: there may be very many."""
    for batch in batches:
        parts = [b","] * (2 * len(batch))
        parts[1::2] = batch
        yield parts


def pretty_pieces(body: ListBody) -> Iterator[bytes]:
    """Join stored JSON, indented by two spaces."""
    head = msgspec.json.format(msgspec.json.encode({**body.head, body.field: []}), indent=2)
    yield head.removesuffix(b"]\n}")
    separator, end = b"\n    ", b"]\n}"
    for entry in body.entries:
        yield separator
        yield msgspec.json.format(entry, indent=2).replace(b"\n", b"\n    ")
        separator, end = b",\n    ", b"\n  ]\n}"
    yield end


async def _yaml_pieces(body: ListBody) -> list[bytes]:
    """Sort the fields by name, as sigs.k8s.io/yaml does."""
    before = {name: value for name, value in body.head.items() if name < body.field}
    after = {name: value for name, value in body.head.items() if name > body.field}
    entries = await _in_thread(body.entries, _yaml_entry)
    field = f"{body.field}:\n" if entries else f"{body.field}: []\n"
    return [encode_yaml(before), field.encode(), *entries, encode_yaml(after) if after else b""]


def _yaml_entry(entry: bytes) -> bytes:
    text = encode_yaml(msgspec.json.decode(entry))
    return b"- " + text.rstrip(b"\n").replace(b"\n", b"\n  ") + b"\n"


async def _protobuf_pieces(body: ListBody) -> list[bytes]:
    encode_item = list_item_encoder(body.head["apiVersion"], body.head["kind"])
    return encode_list(body.head, await _in_thread(body.entries, lambda entry: encode_item(msgspec.json.decode(entry))))


async def _in_thread(entries: Iterator[bytes], encode: Callable[[bytes], bytes]) -> list[bytes]:
    """Encode entries away from the event loop. The entries themselves are made in it: sources are not for threads."""

    def encode_all(batch: list[bytes]) -> list[bytes]:
        return [encode(entry) for entry in batch]

    loop = asyncio.get_running_loop()
    encoded: list[bytes] = []
    while batch := list(islice(entries, _BATCH)):
        encoded += await loop.run_in_executor(None, encode_all, batch)
    return encoded
