"""When a certificate is to be renewed (pure)."""

from __future__ import annotations

from datetime import datetime, timedelta

_JITTER_SHARE = 20


def renewal_time(not_before: datetime, not_after: datetime, jitter: float) -> datetime:
    """Return the moment from which a certificate should be replaced.

    That is two thirds of its life, minus up to a twentieth of it so that many holders do not all renew at once.

    Args:
        not_before: start of its validity.
        not_after: end of its validity.
        jitter: where in the spread this holder stands, from 0 (latest) to 1 (earliest).
    """
    life: timedelta = not_after - not_before
    return not_before + life * 2 / 3 - life / _JITTER_SHARE * jitter
