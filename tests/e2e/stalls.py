"""What every gateway of a test run says about its event loop before it ends: nothing may hold it for long.

Judged by CPU time of the loop's own thread, so that a machine that is busy with other things fails no run.
"""

import re
from dataclasses import dataclass

LONGEST_HELD = 0.5
"""Seconds. Far above what is wanted (20 ms): only what really keeps everybody waiting shall fail a run."""

_LONGEST = re.compile(r'fleetgate_event_loop_longest_stall_seconds\{clock="(wall|cpu)"\} (\S+)')


@dataclass(frozen=True)
class Stall:
    """The longest of one gateway, in seconds: how late its loop was, and how long it computed meanwhile."""

    gateway: str
    late: float
    held: float

    def __str__(self) -> str:
        """For the summary of the run."""
        return f"{self.held * 1e3:6.0f} ms of CPU time, {self.late * 1e3:6.0f} ms in all: {self.gateway}"


noted: list[Stall] = []
"""Of every gateway that has ended, in this run."""


def note(gateway: str, metrics: str) -> Stall | None:
    """Keep what the metrics of a gateway say; None when they say nothing."""
    longest = {clock: float(seconds) for clock, seconds in _LONGEST.findall(metrics)}
    if not longest:
        return None
    noted.append(Stall(gateway, longest.get("wall", 0.0), longest.get("cpu", 0.0)))
    return noted[-1]
