"""What lists and watches of a member look like, decoded just far enough: objects stay as they were sent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cache.encoded_object import DECODE_ERRORS, Encoded, is_utf8
from cache.lister_watcher import Expired, ListWatchError, Unavailable


class Malformed(ListWatchError):
    """The member answered what is no list or watch event."""


_NAMES = {"resource_version": "resourceVersion", "token": "continue", "remaining": "remainingItemCount"}


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


class _ReadPage(msgspec.Struct, gc=False):
    metadata: PageMetadata
    items: list[dict[str, msgspec.Raw]] | None
    kind: str = ""


class _SplitPage(msgspec.Struct, gc=False):
    metadata: PageMetadata
    items: list[msgspec.Raw] | None
    kind: str = ""


class Line(msgspec.Struct, gc=False):
    """One event of a watch."""

    type: str
    object: msgspec.Raw


class _Bookmark(msgspec.Struct, gc=False):
    metadata: PageMetadata


class _Status(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


_page_decoder = msgspec.json.Decoder(_ReadPage)
_split_decoder = msgspec.json.Decoder(_SplitPage)
_line_decoder = msgspec.json.Decoder(Line)
_bookmark_decoder = msgspec.json.Decoder(_Bookmark)
_status_decoder = msgspec.json.Decoder(_Status)


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
        try:
            read = _page_decoder.decode(body)
            return _page(read)
        except msgspec.ValidationError:
            pass  # perhaps because of one object
    return _page(_split_decoder.decode(body))


def _page(read: _ReadPage | _SplitPage) -> Page:
    if read.kind == "PartialObjectMetadataList":
        raise Malformed("not a list: of the objects there is only the metadata")
    return Page(read.metadata, read.items)


def read_line(encoded: bytes) -> Line:
    """Return an event. Raises one of DECODE_ERRORS."""
    return _line_decoder.decode(encoded)


def bookmarked(line: Line) -> str:
    """Return the version up to which everything was told. Raises one of DECODE_ERRORS."""
    return _bookmark_decoder.decode(line.object).metadata.resource_version


def refusal(line: Line) -> ListWatchError:
    """Return what an ERROR event means. Raises one of DECODE_ERRORS."""
    status = _status_decoder.decode(line.object)
    return Expired(status.message) if status.code == 410 else Unavailable(status.message)
