"""Does a member answer? One probe, and what a series of probes says about it.

The deciding half is pure (`after_probe`); the registry runs the probes and owns their tasks. Whether our copies of the
member's objects are fresh is another question, which the cache answers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters.upstream import Upstream, UpstreamError

PROBE_INTERVAL = 5.0
"""Seconds between probes of a member, before jitter."""

RETRY_INTERVAL = 1.0
"""Seconds until a failed probe is repeated, before the member counts as unreachable."""

PROBE_TIMEOUT = 3.0
"""Seconds a probe waits: a frozen API server accepts connections and never answers."""

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


async def probe(upstream: Upstream, known_version: str = "") -> ProbeResult:
    """Ask a member's API server whether it is ready, and for its version unless that is known."""
    try:
        response = await upstream.request("GET", "/readyz", timeout=PROBE_TIMEOUT)
        async with response:
            await upstream.read_body(response)
        ready = response.status < 500
        message = "" if ready else f"its /readyz answers {response.status}"
        version = known_version or await _version(upstream)
    except UpstreamError as error:
        return ProbeResult(answered=False, ready=False, message=error.message)
    return ProbeResult(answered=True, ready=ready, message=message, version=version)


async def _version(upstream: Upstream) -> str:
    try:
        document = await upstream.get_json("/version", timeout=PROBE_TIMEOUT)
    except UpstreamError:
        raise
    except (ApiError, PathNotFound):
        return ""  # it may hide its version from us; that says nothing about its health
    return str(document.get("gitVersion") or "")


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
