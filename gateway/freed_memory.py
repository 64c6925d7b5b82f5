"""Gives memory that was freed back to the system, where the C library is glibc; elsewhere nothing is done.

malloc keeps what is freed for whoever asks next. Pages of lists, read between objects that stay, and objects that were
compressed leave gaps everywhere, which came to a third of the memory of a large fleet.
"""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import sys
import time
from collections.abc import Callable
from typing import Protocol

_PERIOD = 0.25
"""Seconds between two looks, in which no more can be freed than is given back in a few milliseconds: one for 8 MB."""
_WORTH = 32 << 20
"""Bytes that were freed since, and for which memory is given back while there is work."""
_CALM = 1 << 20
"""Bytes; where less came or went since the last look, the work is done that did."""
_SHARE = 5
"""Of much memory this power of two is worth it: the time depends on how many gaps there are as well."""
_REST = 200
"""So many times as long as a look took nothing is looked at again."""
_DONT_NEED = 4  # MADV_DONTNEED of Linux


class Heap(Protocol):
    """What malloc manages."""

    def sizes(self) -> tuple[int, int]:
        """Bytes in use, and bytes that are free, given back or not."""
        ...

    def trim(self) -> None:
        """Give back every page that is free as a whole."""
        ...


class _Mallinfo(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks")),
        *((name, ctypes.c_size_t) for name in ("uordblks", "fordblks", "keepcost")),
    )


class _Glibc:
    def __init__(self, library: ctypes.CDLL) -> None:
        """Raises AttributeError where it is another library, or older than 2.33."""
        self._mallinfo = library.mallinfo2
        self._mallinfo.restype = _Mallinfo
        self._trim = library.malloc_trim
        self._trim.argtypes = [ctypes.c_size_t]

    def sizes(self) -> tuple[int, int]:
        found = self._mallinfo()
        return found.uordblks, found.fordblks

    def trim(self) -> None:
        self._trim(0)


def heap() -> Heap | None:
    """The heap of this process; None where it cannot be asked."""
    try:
        return _Glibc(ctypes.CDLL(None))
    except (AttributeError, OSError, TypeError):
        return None


class FreedMemory:
    """Knows when enough can have been freed since memory was given back.

    What is free includes what was given back and not used since, so it is told by two signs: more is free than the
    least that was; or much came or went, and now nothing does.
    """

    def __init__(self, heap: Heap) -> None:
        """Begin with what is in use now."""
        self._heap = heap
        self._used, self._least = heap.sizes()
        self._kept = self._used  # what was in use when memory was given back

    def look(self) -> float:
        """Give memory back where it is worth it. Returns the seconds of CPU that took."""
        began = time.thread_time()
        used, free = self._heap.sizes()
        calm, self._used = abs(used - self._used) < _CALM, used
        self._least = min(self._least, free)
        worth = max(_WORTH, used >> _SHARE)
        if free - self._least > worth or (calm and abs(used - self._kept) > worth // 8):
            self._heap.trim()
            self._least, self._kept = free, used
        return time.thread_time() - began


async def give_back_freed() -> None:
    """Do so from time to time until cancelled."""
    found = heap()
    if found is None:
        return
    memory = FreedMemory(found)
    while True:
        # Not in a thread: it would hold the lock of malloc, and the loop with it, for longer on a busy machine.
        took = memory.look()
        await asyncio.sleep(max(_PERIOD, took * _REST))


def _madvise() -> Callable[[int, int, int], int] | None:
    if sys.platform != "linux":
        return None  # elsewhere it is no more than a hint, and may keep what it was told of
    function = ctypes.CDLL(None).madvise
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function


_advise = _madvise()


def give_back_read_buffer(transport: asyncio.BaseTransport | None) -> None:
    """Give back what a new TLS connection of uvloop has not read into yet.

    It comes with 256 KB for what is received, which malloc takes from what was freed before; a quiet connection needs a
    page of them. Nothing is kept there from one event of the loop to the next.
    """
    protocol = transport.get_extra_info("uvloop.sslproto") if transport is not None else None
    get_buffer = getattr(protocol, "get_buffer", None)
    if get_buffer is None or _advise is None:
        return
    buffer = get_buffer(0)
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    start = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    end = (address + len(buffer)) // mmap.PAGESIZE * mmap.PAGESIZE
    if start < end:
        _advise(start, end - start, _DONT_NEED)
