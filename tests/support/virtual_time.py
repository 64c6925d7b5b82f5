"""An event loop whose clock jumps: waiting costs nothing, and a minute of silence is tested in a millisecond."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

EPOCH = 1_700_000_000.0
"""What `now()` says when a test begins."""

_T = TypeVar("_T")


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of sleeping until the next timer, moves the loop's clock there."""

    loop: "VirtualTimeLoop"
    patience = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the test waits for what will never happen")
        ready = super().select(0) or super().select(min(timeout, self.patience))
        if not ready:
            self.loop.elapsed += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self, patience: float = 0.0) -> None:
        """`patience` is for tests with sockets: so many true seconds pass before time jumps, for what is under way."""
        self.elapsed = 0.0
        selector = _JumpingSelector()
        selector.patience = patience
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.elapsed


def now() -> float:
    """Seconds since the epoch by the running virtual loop; time stands still outside of one."""
    try:
        return EPOCH + asyncio.get_running_loop().time()
    except RuntimeError:
        return EPOCH


def run(main: Coroutine[Any, Any, _T], *, patience: float = 0.0) -> _T:
    """Run to the end in a virtual loop of its own, as every example of a property test needs one."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(patience)) as runner:
        return runner.run(main)
