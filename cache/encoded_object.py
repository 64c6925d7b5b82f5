"""The JSON of one object as bytes: what decoding it may raise, its UTF-8, and the fields it consists of.

A member can send anything; whoever decodes its bytes catches DECODE_ERRORS. Fields stay encoded until somebody asks for
what is in them. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Item(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    """An object with no other top-level fields than most kinds have; what is not there is empty.

    So its metadata is parted while the whole is read: a third of a Pod, which need not be gone over again.
    """

    metadata: dict[str, msgspec.Raw]
    spec: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()
    api_version: msgspec.Raw = msgspec.Raw()
    kind: msgspec.Raw = msgspec.Raw()


Encoded = bytes | msgspec.Raw | dict[str, msgspec.Raw] | Item
"""An object as a member sent it, or its top-level fields, which then are known to be UTF-8."""

DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes of a member may raise: they can be anything."""

NOTHING = msgspec.Raw(b"null")
"""A field that is not there, as it reads."""

_PARTED = (Item, dict)

_sections_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_item_decoder = msgspec.json.Decoder(Item)

decode_sections = _sections_decoder.decode
"""Part an object into its fields, which stay encoded. Raises one of DECODE_ERRORS."""

encode = msgspec.json.Encoder().encode
"""Write a value as JSON."""


class MalformedObject(ValueError):
    """Bytes of a member that are not a Kubernetes object."""


def is_utf8(body: bytes) -> bool:
    """Whether bytes are UTF-8."""
    if body.isascii():
        return True
    try:
        str(body, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def as_utf8(encoded: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """Repair bytes that are no UTF-8: decoding skips over them, and one would spoil every list it is part of."""
    body = bytes(encoded)
    return encoded if is_utf8(body) else body.decode("utf-8", "replace").encode()


def read_object(encoded: Encoded) -> Item | dict[str, msgspec.Raw]:
    """Part an object into its top-level fields: an Item where it is one. Raises one of DECODE_ERRORS."""
    if isinstance(encoded, _PARTED):
        return encoded
    body = as_utf8(encoded)
    try:
        return _item_decoder.decode(body)
    except msgspec.ValidationError:
        return decode_sections(body)


def lingers(metadata: Mapping[str, msgspec.Raw]) -> bool:
    """Whether an object with this metadata was deleted and lives on for a while, waited for by somebody.

    A kube-apiserver marks whatever is deleted with a time, even if nothing is waited for (rest.BeforeDelete).
    """
    if bytes(metadata.get("deletionTimestamp", NOTHING)) == b"null":
        return False
    if bytes(metadata.get("finalizers", NOTHING)) not in {b"null", b"[]"}:
        return True
    return bytes(metadata.get("deletionGracePeriodSeconds", NOTHING)) not in {b"null", b"0"}
