"""What a resourceVersion asks for, and the continue tokens of paged lists. Pure.

Tokens have the form of k8s.io/apiserver `storage/continue.go` (base64url of {v, rv, start}), texts follow it and
`storage/etcd3/errors.go`. Nothing that cannot be read is ever ignored: it is a 400, and what is gone a 410.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
from dataclasses import dataclass

import msgspec

from gateway.apimachinery.errors import ApiError, bad_request, expired, too_large_resource_version
from gateway.apimachinery.json_syntax import syntax_error
from gateway.apimachinery.meta import ObjectKey

_FORMAT = "meta.k8s.io/v1"
_LATEST = -1

_LIST_EXPIRED = "The resourceVersion for the provided list is too old."
_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """Where the next page starts: behind `after`, at the revision of the first page; None is whatever is current."""

    revision: int | None
    after: ObjectKey

    def encode(self) -> str:
        """Return the token as clients carry it."""
        start = f"{self.after.namespace}/{self.after.name}\0" if self.after.namespace else f"{self.after.name}\0"
        revision = _LATEST if self.revision is None else self.revision
        content = msgspec.json.encode({"v": _FORMAT, "rv": revision, "start": start})
        return base64.urlsafe_b64encode(content).decode().rstrip("=")


class _TokenContent(msgspec.Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


def _invalid_token(detail: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {detail}")


def decode_continue(token: str) -> ContinueToken:
    """Read a continue token. Raises ApiError 400."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid_token("illegal base64 data") from None
    try:
        content = msgspec.json.decode(data, type=_TokenContent)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _invalid_token(syntax_error(data) or "not a token of this server") from None
    if content.v != _FORMAT:
        raise _invalid_token(f"server does not recognize this encoded version {content.v}")
    if content.rv == 0:
        raise _invalid_token(f"incorrect encoded start resourceVersion (version {_FORMAT})")
    if not content.start:
        raise _invalid_token(f"encoded start key empty (version {_FORMAT})")
    key = content.start.removeprefix("/")
    if posixpath.normpath("/" + key) != "/" + key or not key.endswith("\0") or key.count("/") > 1:
        raise _invalid_token(content.start)
    namespace, _, name = key[:-1].rpartition("/")
    return ContinueToken(None if content.rv < 0 else content.rv, ObjectKey(namespace, name))


def check_not_too_large(requested: int, current: int) -> None:
    """Refuse a revision that lies in the future. Raises ApiError 504."""
    if requested > current:
        raise too_large_resource_version(requested, current)


def list_expired() -> ApiError:
    """410 for a list at a revision whose history is gone."""
    return expired(_LIST_EXPIRED)


def continue_expired(token: ContinueToken) -> ApiError:
    """410 for a token whose revision is gone, with one to go on inconsistently from the same place."""
    follow_on = ContinueToken(None, token.after).encode()
    return ApiError(410, "Expired", _CONTINUE_EXPIRED, list_metadata={"continue": follow_on})
