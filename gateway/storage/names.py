"""Names made up by the server: metadata.generateName (k8s.io/apiserver `storage/names/generate.go`)."""

from __future__ import annotations

import secrets

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_PREFIX_LIMIT = 58

ATTEMPTS = 8
"""Names tried before a create gives up."""


def generate_name(prefix: str) -> str:
    """Return the prefix, cut to 58 characters, with five random consonants and digits behind it."""
    suffix = "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))
    return prefix[:_PREFIX_LIMIT] + suffix
