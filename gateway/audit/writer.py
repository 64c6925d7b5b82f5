"""The one thread that writes audit lines: group commit, rotation, and what happens when the disk fails.

Whoever submits lines waits until they are on disk, in the file that lies where the log is looked for; lines that come
while a flush runs share the next one. When somebody removed, moved or changed that file, a new one is begun with them.
A failure closes the log (`problem` says why) until a new file could be begun: lines that report something done are owed
to that file, lines that announce something to be done are refused.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.audit.file import AuditFile, AuditInUse

OWED_LIMIT = 10_000
"""Most lines kept in memory while the log is closed."""

BATCH_LIMIT = 1024
"""Most submissions that share one flush, so that nobody waits for a queue that never empties."""

logger = logging.getLogger("gateway.audit")


class AuditUnavailable(Exception):
    """The lines are not on disk."""


class Line(msgspec.Struct, frozen=True):
    """One event's line. `opens` and `closes` name the intent that it begins or ends.

    `announces` marks a line without which its act does not happen: refused, it must not turn up later.
    """

    data: bytes
    opens: str = ""
    closes: str = ""
    announces: bool = False


class _Submission(msgspec.Struct, frozen=True):
    lines: Sequence[Line]
    done: asyncio.Future[None] | None = None


class _Check(msgspec.Struct, frozen=True):
    done: asyncio.Future[None]


class AuditWriter:
    """Mutable state is the thread's own, except `problem`, which it alone writes and everybody may read.

    Args:
        file: the open current file.
        notice: makes the line by which the log speaks about itself.
        file_name: gives the distinguishing part of the name of a file that is finished.
        max_bytes: the size after which a new file is begun.
        max_files: finished files that are kept.
    """

    def __init__(
        self,
        file: AuditFile,
        *,
        notice: Callable[[str], bytes],
        file_name: Callable[[], str],
        max_bytes: int,
        max_files: int,
    ) -> None:
        self.problem = ""
        self._file = file
        self._notice = notice
        self._file_name = file_name
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._open: dict[str, bytes] = {}
        self._owed: deque[bytes] = deque()
        self._lost = 0
        self._queue: queue.SimpleQueue[_Submission | _Check | None] = queue.SimpleQueue()
        self._set_aside: list[_Check | None] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)

    def start(self) -> None:
        """Start the thread; futures belong to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def submit(self, lines: Sequence[Line]) -> None:
        """Write lines and return once they are on disk. Raises AuditUnavailable."""
        await self.begin(lines)

    def begin(self, lines: Sequence[Line]) -> asyncio.Future[None]:
        """Have lines written; what is returned is done once they are on disk, or fails with AuditUnavailable."""
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_Submission(lines, done))
        return done

    def post(self, lines: Sequence[Line]) -> None:
        """Write lines after everything submitted so far, without waiting."""
        self._queue.put(_Submission(lines))

    async def check(self) -> None:
        """Look at the file from outside; begin a new one when it was tampered with, or when the log is closed."""
        done = asyncio.get_running_loop().create_future()
        self._queue.put(_Check(done))
        await done

    async def close(self) -> None:
        """Write what was submitted and end the thread."""
        self._queue.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _work(self) -> None:
        while (item := self._take()) is not None:
            if isinstance(item, _Check):
                self._check()
                self._settle([item.done], None)
            else:
                self._write(self._batch(item))
        self._file.close()

    def _take(self) -> _Submission | _Check | None:
        return self._set_aside.pop() if self._set_aside else self._queue.get()

    def _batch(self, first: _Submission) -> list[_Submission]:
        """Take what else waits, up to the first item that is no submission: that one is set aside."""
        batch = [first]
        while len(batch) < BATCH_LIMIT:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if not isinstance(item, _Submission):
                self._set_aside.append(item)
                break
            batch.append(item)
        return batch

    def _write(self, batch: Sequence[_Submission]) -> None:
        waiting = [submission.done for submission in batch if submission.done]
        lines = [line for submission in batch for line in submission.lines]
        if not self.problem:
            self._append(lines)
        if self.problem:
            self._owe(lines)
            self._settle(waiting, AuditUnavailable(self.problem))
            return
        self._follow(lines)
        self._settle(waiting, None)
        if self._file.size >= self._max_bytes:
            self._begin_file("continued from the file before", "rotating the audit log failed")

    def _append(self, lines: Sequence[Line]) -> None:
        """Write lines to the file that lies in its place: when that is not ours any more, to a new one."""
        data = [line.data for line in lines]
        try:
            self._file.append(b"".join(data))
        except OSError as error:
            self._fail(f"the audit log cannot be written: {error.strerror or error}")
            return
        if tampering := self._tampering():
            self._begin_after(tampering, data)

    def _follow(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.opens:
                self._open[line.opens] = line.data
            if line.closes:
                self._open.pop(line.closes, None)

    def _owe(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._open.pop(line.closes, None)
            if line.announces:
                continue
            if len(self._owed) < OWED_LIMIT:
                self._owed.append(line.data)
            else:
                self._lost += 1

    def _check(self) -> None:
        if self.problem:
            self._begin_file(f"re-opened after: {self.problem}", "re-opening the audit log failed")
        elif tampering := self._tampering():
            self._begin_after(tampering, ())

    def _tampering(self) -> str:
        try:
            return self._file.tampering()
        except OSError as error:
            return f"the audit log cannot be examined: {error.strerror or error}"

    def _begin_after(self, tampering: str, lines: Sequence[bytes]) -> None:
        logger.error("the audit log was tampered with: %s", tampering)
        self._begin_file(f"begun anew after: {tampering}", f"{tampering}, and a new file cannot be begun", lines)

    def _begin_file(self, text: str, failure: str, lines: Sequence[bytes] = ()) -> None:
        """Begin a new file with the intents still open, what is owed, and `lines`; the log is closed if that fails."""
        if self._lost:
            text = f"{text}; {self._lost} events were lost meanwhile"
        head = b"".join([self._notice(text), *self._open.values(), *self._owed, *lines])
        try:
            self._file.replace(head, self._file_name())
        except (OSError, AuditInUse) as error:
            why = error.strerror if isinstance(error, OSError) else ""
            self._fail(f"{failure}: {why or error}")
            return
        if self.problem:
            logger.warning("the audit log is written again")
        self._owed.clear()
        self._lost = 0
        self.problem = ""
        self._prune()

    def _prune(self) -> None:
        for finished in self._file.finished()[: -self._max_files]:
            try:
                finished.unlink()
            except OSError as error:
                logger.warning("the old audit file %s cannot be removed: %s", finished, error.strerror)

    def _fail(self, problem: str) -> None:
        if not self.problem:
            logger.error("writes are refused: %s", problem)
        self.problem = problem

    def _settle(self, waiting: Sequence[asyncio.Future[None]], error: AuditUnavailable | None) -> None:
        if waiting and self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_settle, waiting, error)


def _settle(waiting: Sequence[asyncio.Future[None]], error: AuditUnavailable | None) -> None:
    for done in waiting:
        if done.done():
            continue  # whoever waited was cancelled
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
