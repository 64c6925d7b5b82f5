"""Watches the event loop: how late it wakes a timer, how much of that is its own doing, and what it was doing then.

Everything is served by one thread, so whatever computes for long without giving way keeps everybody waiting. Wall time
alone cannot say so: on a busy machine any timer is late. The CPU time of the loop's own thread can, and a second thread
looks at the stack while the loop is late.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections import Counter
from types import FrameType

from gateway.metrics import Metrics

LOGGED_STALL = 0.1
"""Seconds for which the loop is held before a line of the log says by what."""

LOGGED_HELD = 0.025
"""The same where it computes all that time."""

IDLE_PERIOD = 0.1
BUSY_PERIOD = 0.02
"""Seconds between two beats of a loop that has work: how much CPU time of short callbacks may count as one stall."""

_BUSY_SHARE = 0.2
_LOOK_PERIOD = 0.05
_BUSY_LOOK_PERIOD = 0.01
"""Seconds between two looks; looking costs the loop a turn of the interpreter."""
_LOG_PERIOD = 10.0
_SHOWN_FRAMES = 12
_SHOWN_STACKS = 3
_LOOP_ITSELF = ("asyncio/runners.py", "asyncio/base_events.py", "asyncio/events.py", "asyncio/selector_events.py")

logger = logging.getLogger("gateway.loop")


class LoopWatch:
    """Measures for as long as `run` runs. `_due` and `_stall` are written by the loop and read by the looking thread.

    A stall is how much later than it was due a timer was woken, over one callback or many that were ready at once. What
    the loop held is the CPU time that its thread used meanwhile, never more than the stall: a machine that is busy with
    something else makes the one long, not the other.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._due = float("inf")
        self._stall = (0.0, 0.0)
        self._thread_id = 0
        self._ended = threading.Event()
        self._busy = False
        self._seen: Counter[str] = Counter()  # by innermost function
        self._stacks: dict[str, str] = {}  # the last one of each
        self._logged_at = float("-inf")

    async def run(self) -> None:
        """Measure the running event loop until cancelled."""
        self._thread_id = threading.get_ident()
        threading.Thread(target=self._look, name="loop watch", daemon=True).start()
        try:
            await self._beat()
        finally:
            self._ended.set()

    async def _beat(self) -> None:
        period, now, used = IDLE_PERIOD, time.perf_counter(), time.thread_time()
        while True:
            self._due = now + period
            await asyncio.sleep(period)
            before, used_before = now, used
            now, used = time.perf_counter(), time.thread_time()
            late = max(0.0, now - self._due)
            held = min(late, used - used_before)
            self._metrics.observe_loop(late, held)
            if late >= LOGGED_STALL or held >= LOGGED_HELD:
                self._stall = (late, held)
            self._busy = used - used_before > _BUSY_SHARE * (now - before)
            period = BUSY_PERIOD if self._busy else IDLE_PERIOD

    @property
    def ended(self) -> bool:
        """Whether nobody looks any more."""
        return self._ended.is_set()

    def _look(self) -> None:
        """Look at the loop's stack while it is late, and tell once it is back (its own thread)."""
        while not self._ended.wait(_BUSY_LOOK_PERIOD if self._busy else _LOOK_PERIOD):
            if time.perf_counter() - self._due > _BUSY_LOOK_PERIOD:
                self._note(sys._current_frames().get(self._thread_id))
                continue
            (late, held), self._stall = self._stall, (0.0, 0.0)
            if late and time.monotonic() - self._logged_at > _LOG_PERIOD:
                self._logged_at = time.monotonic()
                text = "the event loop was held for %.0f ms, of which it computed for %.0f ms: %s"
                logger.warning(text, late * 1e3, held * 1e3, self._where())
            self._seen.clear()
            self._stacks.clear()

    def _note(self, frame: FrameType | None) -> None:
        function, stack = _stack(frame)
        self._seen[function] += 1
        self._stacks[function] = stack

    def _where(self) -> str:
        """The functions that it was seen in, those where it was longest first: many short ones add up as well."""
        looks = self._seen.total()
        if not looks:
            return "nobody saw where"
        shown = [
            f"{count} of {looks} looks: {self._stacks[function]}"
            for function, count in self._seen.most_common(_SHOWN_STACKS)
        ]
        others = len(self._seen) - len(shown)
        return "; ".join([*shown, f"and in {others} other functions"] if others else shown)


def _stack(frame: FrameType | None) -> tuple[str, str]:
    """Return the innermost function of a stack, and the functions from there on; the text of no source is read."""
    names: list[str] = []
    calls: list[str] = []
    # A frame that is just being made may lead to what is none.
    while isinstance(frame, FrameType) and len(calls) < _SHOWN_FRAMES:
        code = frame.f_code
        if not code.co_filename.endswith(_LOOP_ITSELF):
            folders = code.co_filename.rsplit("/", 2)
            names.append(code.co_qualname)
            calls.append(f"{code.co_qualname} ({'/'.join(folders[-2:])}:{frame.f_lineno})")
        frame = frame.f_back
    return names[0] if names else "", " < ".join(calls)
