"""Reads the timestamps of Kubernetes objects. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

_ZERO = "0001-01-01T00:00:00Z"
"""Go's zero time: no time at all."""


def epoch(text: Any) -> float | None:
    """Return the seconds since the epoch of an RFC 3339 timestamp, None when there is none or it cannot be read."""
    if not isinstance(text, str) or len(text) < 20 or text == _ZERO:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.timestamp() if moment.tzinfo is not None else None
    except ValueError:
        return None


def first_epoch(*texts: Any) -> float | None:
    """Return the first of several timestamps that can be read, in seconds since the epoch."""
    return next((moment for text in texts if (moment := epoch(text)) is not None), None)
