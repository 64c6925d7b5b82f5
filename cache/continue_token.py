"""Continue tokens of merged lists: where the next page starts, and at which version the first page was read.

Opaque, signed and bound to what was asked and by whom, so that a token can neither be forged nor carried to another
query or user. Pure: the key and the binding come from the caller. Texts follow k8s.io/apiserver `storage/continue.go`
and `storage/etcd3/errors.go`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from gateway.apimachinery.errors import ApiError, bad_request

_MAC_LENGTH = 16
_INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """The version of the first page (0: continue at whatever is current) and the key of the last object served."""

    revision: int
    last_key: str


class ContinueTokenCodec:
    """Encodes and checks continue tokens with one secret key."""

    def __init__(self, key: bytes) -> None:
        """Take the secret, at least 16 random bytes; tokens of another key are refused as invalid."""
        self._key = key

    def _mac(self, payload: bytes, binding: str) -> bytes:
        return hmac.digest(self._key, binding.encode() + b"\0" + payload, hashlib.sha256)[:_MAC_LENGTH]

    def encode(self, token: ContinueToken, binding: str) -> str:
        """Return the token for exactly the query and caller that `binding` names."""
        payload = msgspec.json.encode([token.revision, token.last_key])
        return base64.urlsafe_b64encode(self._mac(payload, binding) + payload).decode().rstrip("=")

    def decode(self, text: str, binding: str) -> ContinueToken:
        """Read a token back. Raises ApiError 400 for one that this gateway did not issue for this query and caller."""
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
        except ValueError:  # of wrong length, of other characters, or not even ASCII
            raise bad_request("invalid continue token: continue key is not valid: illegal base64 data") from None
        mac, payload = signed[:_MAC_LENGTH], signed[_MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(payload, binding)):
            raise bad_request("invalid continue token: continue key is not valid: it was not issued for this request")
        revision, last_key = msgspec.json.decode(payload, type=tuple[int, str])
        return ContinueToken(revision, last_key)

    @staticmethod
    def claimed_revision(text: str) -> int | None:
        """The version that a token claims to be of, unchecked: for choosing who is to look at it, nothing else."""
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
            return msgspec.json.decode(signed[_MAC_LENGTH:], type=tuple[int, str])[0]
        except (ValueError, msgspec.MsgspecError):
            return None

    def expired(self, token: ContinueToken, binding: str) -> ApiError:
        """410 for a token whose version is gone, with one to go on inconsistently from the same place."""
        follow_on = self.encode(ContinueToken(0, token.last_key), binding)
        return ApiError(410, "Expired", _INCONSISTENT, list_metadata={"continue": follow_on})
