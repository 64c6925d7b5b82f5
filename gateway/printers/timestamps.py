"""Reads the timestamps of Kubernetes objects. Pure."""

from __future__ import annotations

from calendar import timegm
from datetime import datetime
from typing import Any


def epoch(text: Any) -> float | None:
    """Return the seconds since the epoch of an RFC 3339 timestamp, None when there is none or it cannot be read."""
    if not isinstance(text, str) or len(text) < 20:
        return None
    try:
        if text[-1] == "Z" and len(text) == 20:  # the usual form, ten times faster than fromisoformat
            return timegm(
                (int(text[:4]), int(text[5:7]), int(text[8:10]), int(text[11:13]), int(text[14:16]), int(text[17:19]))
            )
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
