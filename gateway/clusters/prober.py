"""Probes one member for as long as it is a member, and has its credentials read again from time to time.

Owns no task: the registry runs `run` and cancels it when the member goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.clusters.health import FAILURES_TO_UNREACHABLE, ClusterHealth, ProbeResult, after_probe
from gateway.clusters.upstream import Upstream
from gateway.clusters.upstream_error import UpstreamError

PROBE_INTERVAL = 5.0
"""Seconds between probes of a member, before jitter."""

RETRY_INTERVAL = 1.0
"""Seconds until a failed probe is repeated, before the member counts as unreachable."""

PROBE_TIMEOUT = 3.0
"""Seconds a probe waits: a frozen API server accepts connections and never answers."""

CREDENTIALS_INTERVAL = 300.0
"""Seconds after which credentials are read again without any other reason (Karmada's rule)."""

REPORT_INTERVAL = 60.0
"""Seconds after which an unchanged health is reported again, in case somebody overwrote the status."""

HealthListener = Callable[[str, ClusterHealth], Awaitable[None]]

_log = logging.getLogger(__name__)


async def probe(upstream: Upstream, known_version: str = "") -> ProbeResult:
    """Ask a member's API server whether it is ready, and for its version unless that is known."""
    try:
        response = await upstream.get("/readyz", timeout=PROBE_TIMEOUT)
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


class Prober:
    """Keeps `health` of one member up to date.

    `probed` is awaited after each probe, `changed` when readiness changes and every REPORT_INTERVAL.
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        probed: HealthListener,
        changed: HealthListener,
        now: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self.health = ClusterHealth(since=now())
        self._upstream = upstream
        self._probed = probed
        self._changed = changed
        self._now = now
        self._jitter = jitter

    async def run(self) -> None:
        """Probe until cancelled."""
        credentials_read_at = self._now()
        reported_at = float("-inf")
        while True:
            before = self.health
            await self._probe()
            await self._probed(self._upstream.name, self.health)
            if self.health.ready != before.ready or self._now() - reported_at > REPORT_INTERVAL:
                reported_at = self._now()
                await self._changed(self._upstream.name, self.health)
            if self._now() - credentials_read_at > CREDENTIALS_INTERVAL:
                credentials_read_at = self._now()
                await self._upstream.refresh_credentials()
            doubtful = 0 < self.health.failures < FAILURES_TO_UNREACHABLE
            seconds = RETRY_INTERVAL if doubtful else PROBE_INTERVAL
            await asyncio.sleep(seconds * (0.8 + 0.4 * self._jitter()))

    async def _probe(self) -> None:
        before = self.health
        known_version = before.version if before.ready else ""
        self.health = after_probe(before, await probe(self._upstream, known_version), self._now())
        if self.health.ready != before.ready:
            level = logging.INFO if self.health.ready else logging.WARNING
            _log.log(level, "member cluster %r: %s %s", self._upstream.name, self.health.reason, self.health.message)
