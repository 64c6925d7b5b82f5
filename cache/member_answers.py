"""What lists and watches of a member look like, decoded just far enough: objects stay as they were sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from cache.encoded_object import DECODE_ERRORS, Encoded, Item, is_utf8
from cache.lister_watcher import Expired, ListWatchError, Unavailable


class Malformed(ListWatchError):
    """The member answered what is no list or watch event."""


_NAMES = {"resource_version": "resourceVersion", "token": "continue", "remaining": "remainingItemCount"}


_SMALL = 4 << 20
"""Bytes of a page that is gone over once more where its objects have other fields: about 3 ms."""


class PageMetadata(msgspec.Struct, gc=False, rename=_NAMES):
    """What a page says of its list."""

    resource_version: str = ""
    token: str = ""
    remaining: int | None = None


class Page(msgspec.Struct, gc=False):
    """One page of a list."""

    metadata: PageMetadata
    items: Sequence[Encoded] | None = None

    @property
    def total(self) -> int | None:
        """How many objects there are, where this first page says so."""
        remaining = self.metadata.remaining if self.metadata.token else 0
        return None if remaining is None else len(self.items or ()) + remaining


_Item = TypeVar("_Item")


class _Page(msgspec.Struct, Generic[_Item], gc=False):
    metadata: PageMetadata
    items: list[_Item] | None
    kind: str = ""


class Line(msgspec.Struct, Generic[_Item], gc=False):
    """One event of a watch."""

    type: str
    object: _Item


class _Bookmark(msgspec.Struct, gc=False):
    metadata: PageMetadata


class _Status(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


# What the first of them does not take, the second one may.
_page_decoders = msgspec.json.Decoder(_Page[Item]), msgspec.json.Decoder(_Page[dict[str, msgspec.Raw]])
_split_page_decoder = msgspec.json.Decoder(_Page[msgspec.Raw])
_line_decoders = msgspec.json.Decoder(Line[Item]), msgspec.json.Decoder(Line[dict[str, msgspec.Raw]])
_split_line_decoder = msgspec.json.Decoder(Line[msgspec.Raw])
_bookmark_decoder = msgspec.json.Decoder(Line[_Bookmark])
_error_decoder = msgspec.json.Decoder(Line[_Status])


def read_page(body: bytes) -> Page:
    """Return a page. Raises Malformed for what is none, or has no version."""
    try:
        page = _decoded(body)
    except DECODE_ERRORS as fault:
        raise Malformed(f"not a list: {fault}") from None
    if not page.metadata.resource_version:
        raise Malformed("a list without a resourceVersion")
    return page


def _decoded(body: bytes) -> Page:
    """Decode a page with its objects in one go; where one of them is odd, leave each to whoever reads it."""
    if is_utf8(body):
        for decoder in _page_decoders if len(body) <= _SMALL else _page_decoders[:1]:
            try:
                return _page(decoder.decode(body))
            except msgspec.ValidationError:
                continue  # perhaps because of one object
    return _page(_split_page_decoder.decode(body))


def _page(read: _Page[Any]) -> Page:
    if read.kind == "PartialObjectMetadataList":
        raise Malformed("not a list: of the objects there is only the metadata")
    return Page(read.metadata, read.items)


def read_line(encoded: bytes) -> Line[Any]:
    """Return an event with the object of it as far as it is read. Raises one of DECODE_ERRORS."""
    if is_utf8(encoded):
        for decoder in _line_decoders:
            try:
                return decoder.decode(encoded)
            except msgspec.ValidationError:
                continue  # it may be an object all the same
    return _split_line_decoder.decode(encoded)


def bookmarked(encoded: bytes) -> str:
    """Return the version up to which everything was told, by a BOOKMARK event. Raises one of DECODE_ERRORS."""
    return _bookmark_decoder.decode(encoded).object.metadata.resource_version


def refusal(encoded: bytes) -> ListWatchError:
    """Return what an ERROR event means. Raises one of DECODE_ERRORS."""
    status = _error_decoder.decode(encoded).object
    return Expired(status.message) if status.code == 410 else Unavailable(status.message)
