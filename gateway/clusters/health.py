"""Does a member answer? What a series of probes says about it. Pure; prober.py asks.

Whether our copies of the member's objects are fresh is another question, which the cache answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

FAILURES_TO_UNREACHABLE = 2
"""Probes that must fail in a row; one may be bad luck."""

READY = "ClusterReady"
NOT_READY = "ClusterNotReady"
NOT_REACHABLE = "ClusterNotReachable"
INVALID = "ClusterInvalid"
PENDING = "Pending"


@dataclass(frozen=True, slots=True)
class ClusterHealth:
    """What is known of a member's API server; `ready` is None until the first probe has ended.

    `reason` is Karmada's word for the Ready condition, or one of ours (INVALID, PENDING). `since` is when `ready` last
    changed, `last_contact` when it last answered anything; both in seconds since the epoch.
    """

    ready: bool | None = None
    reason: str = PENDING
    message: str = "it was not probed yet"
    version: str = ""
    last_contact: float | None = None
    since: float = 0.0
    failures: int = 0

    @property
    def reachable(self) -> bool:
        """Whether a request is worth trying: everything but a known outage or an unusable Cluster object."""
        return self.reason not in {NOT_REACHABLE, INVALID}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe: whether the server answered at all, and whether it calls itself ready."""

    answered: bool
    ready: bool
    message: str = ""
    version: str = ""


def after_probe(previous: ClusterHealth, result: ProbeResult, now: float) -> ClusterHealth:
    """Return what a probe makes of the health known before it."""
    if not result.answered:
        failures = previous.failures + 1
        if failures < FAILURES_TO_UNREACHABLE:
            return replace(previous, failures=failures)
        health = replace(previous, ready=False, reason=NOT_REACHABLE, message=result.message, failures=failures)
    else:
        health = replace(
            previous,
            ready=result.ready,
            reason=READY if result.ready else NOT_READY,
            message=result.message,
            version=result.version or previous.version,
            last_contact=now,
            failures=0,
        )
    return health if health.ready == previous.ready else replace(health, since=now)
