"""What goes wrong with keys and certificates, in words for the person who must act on it."""

from __future__ import annotations


class CertsError(Exception):
    """A refusal or a failure of this package. Its text says what is wrong and what to do next."""


class RevocationListError(CertsError):
    """The revocation list cannot be trusted; until it can, every certificate counts as revoked."""
