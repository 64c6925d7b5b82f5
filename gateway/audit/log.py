"""The audit log as filters and handlers use it: intent before a write, outcome after it, all else as the policy says.

It turns records into lines and hands them to the writer; it holds no file and decides about no request. Failures are
said once and in one way: AuditUnavailable from the writer becomes a 503 with Retry-After here.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.turns import each_in_turn
from gateway.audit.config import AuditConfig
from gateway.audit.event import (
    INTENT,
    STATE,
    Stage,
    State,
    build_event,
    build_notice,
    encode_event,
)
from gateway.audit.file import AuditFile
from gateway.audit.policy import Level, audit_level
from gateway.audit.record import AuditRecord
from gateway.audit.recovery import (
    Intent,
    RecoverySummary,
    Resolution,
    Scan,
    outcome_event,
    resolve,
    resolve_collection,
    scan,
    summarise,
)
from gateway.audit.redaction import is_sensitive, redacted
from gateway.audit.writer import AuditUnavailable, AuditWriter, Line

CHECK_INTERVAL = 1.0
"""Seconds between looks at the file from outside while nothing is written, and between attempts to open it again."""

RETRY_AFTER = 5

ReadLive = Callable[[Intent], Awaitable[JsonObject | None]]
"""Reads the live object an intent names, with the gateway's own right; None when there is none."""

logger = logging.getLogger("gateway.audit")


class AuditLog:
    """One log per data folder. Until `recover` has run no intent is taken."""

    def __init__(self, writer: AuditWriter, config: AuditConfig, now: Callable[[], float], found: Scan) -> None:
        self._writer = writer
        self._config = config
        self._now = now
        self._found = found
        self._recovered = False

    def __repr__(self) -> str:
        return f"AuditLog({self.unhealthy() or 'healthy'})"

    @classmethod
    async def open(cls, folder: Path, config: AuditConfig, *, now: Callable[[], float]) -> AuditLog:
        """Open or create the log in a folder. Raises AuditInUse, AuditUnusable, OSError.

        Args:
            folder: made when missing; nobody else may read it.
            config: how much is recorded and kept.
            now: seconds since the epoch.
        """

        def notice(text: str) -> bytes:
            return encode_event(build_notice(str(uuid.uuid4()), text, now()))

        file, torn = await asyncio.to_thread(AuditFile.open, folder)
        found = await asyncio.to_thread(_scan_file, file.path)
        writer = AuditWriter(
            file,
            notice=notice,
            file_name=lambda: datetime.fromtimestamp(now(), UTC).strftime("%Y%m%dT%H%M%S.%fZ"),
            max_bytes=config.max_file_megabytes * 1024 * 1024,
            max_files=config.max_files,
        )
        writer.start()
        text = f"started; cut off {len(torn)} bytes of a line that a crash left unfinished" if torn else "started"
        writer.post([Line(notice(text))])
        return cls(writer, config, now, found)

    def unhealthy(self) -> str:
        """Return why writes are refused, empty when they are not."""
        return self._writer.problem or ("" if self._recovered else "the audit log has not been examined yet")

    async def recover(self, read: ReadLive) -> RecoverySummary:
        """Close what a crash left open, then take intents. Call once, when the stores can be asked; never raises."""
        found, self._found = self._found, Scan()
        states: dict[str, State] = {}
        children = {parent: list(reported) for parent, reported in found.reported_children.items()}
        for intent in sorted(found.intents, key=lambda intent: intent.verb == "deletecollection"):
            if intent.verb == "deletecollection":
                resolution = resolve_collection(children.get(intent.audit_id, []))
            else:
                resolution = await self._resolution(intent, read)
            states[intent.audit_id] = resolution.state
            children.setdefault(intent.parent, []).append(resolution.state)
            event = outcome_event(intent, resolution, self._now())
            self._writer.post([Line(encode_event(event), closes=intent.audit_id)])
        if found.unreadable_lines:
            self._post_notice(f"{found.unreadable_lines} lines of the file before are no audit events")
        self._recovered = True
        return summarise(states.values())

    async def run(self) -> None:
        """Watch the file and re-open it after a failure, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            await self.check()

    async def check(self) -> None:
        """Look at the file once."""
        await self._writer.check()

    async def close(self) -> None:
        """Write what is still waiting and give up the file."""
        self._post_notice("stopped")
        await self._writer.close()

    def keep_object(self, record: AuditRecord, body: Any) -> None:
        """Note the object, patch or options of a write, as far as they may be recorded at all."""
        if self._config.request_objects and record.info and not is_sensitive(record.info):
            record.request_object = redacted(body)

    async def intent(self, records: Sequence[AuditRecord]) -> None:
        """Announce writes and wait until that is on disk. Raises ApiError 503: then none of them may be applied.

        From here on the caller owes an outcome for each.
        """
        if why := self.unhealthy():
            raise _closed(why)
        lines = await _each(self._intent, records)
        for record in records:
            record.outcome_owned = True
        try:
            await self._writer.submit(lines)
        except AuditUnavailable as error:
            for record in records:
                record.outcome_owned = False
            raise _closed(str(error)) from None
        except asyncio.CancelledError:
            self._writer.post([self._outcome_line(record, State.NOT_APPLIED) for record in records])
            raise

    async def outcome(self, records: Sequence[AuditRecord], state: State) -> None:
        """Report what became of announced writes, on disk before the answer. Raises ApiError 500 naming the id."""
        lines = await _each(lambda record: self._outcome_line(record, state), records)
        await _reported(self._writer.begin(lines), records[0])

    def report(self, record: AuditRecord, state: State) -> Awaitable[None]:
        """Begin to report what became of one announced write; to be awaited before the answer, raises as `outcome`."""
        return _reported(self._writer.begin([self._outcome_line(record, state)]), record)

    async def started(self, record: AuditRecord) -> None:
        """Record a connect before its stream opens. Raises ApiError 503: then it must not open."""
        if why := self.unhealthy():
            raise _closed(why)
        event = build_event(record, Stage.RESPONSE_STARTED, Level.METADATA, self._now())
        try:
            await self._writer.submit([Line(encode_event(event), announces=True)])
        except AuditUnavailable as error:
            raise _closed(str(error)) from None

    async def complete(self, record: AuditRecord) -> None:
        """Record an answered request if the policy wants it, on disk before returning. Never raises.

        Writes that were announced have their outcome already and are left out.
        """
        if record.outcome_owned:
            return
        stranger = record.user is None or record.user.anonymous
        level = audit_level(record.info, record.code, self._config, stranger=stranger)
        if level is Level.NONE:
            return
        try:
            await self._writer.submit([Line(self._line(record, level), closes=record.audit_id)])
        except AuditUnavailable:
            logger.debug("audit event %s is owed", record.audit_id)  # the writer keeps it and has raised the alarm

    def _line(self, record: AuditRecord, level: Level) -> bytes:
        return encode_event(build_event(record, Stage.RESPONSE_COMPLETE, level, self._now()))

    def _intent(self, record: AuditRecord) -> Line:
        event = build_event(record, Stage.REQUEST_RECEIVED, Level.METADATA, self._now())
        event["annotations"] = {**event.get("annotations", {}), INTENT: "true"}
        return Line(encode_event(event), opens=record.audit_id, announces=True)

    def _outcome_line(self, record: AuditRecord, state: State) -> Line:
        record.annotate(STATE, str(state))
        level = audit_level(record.info, record.code, self._config)
        level = Level.METADATA if level is Level.NONE else level
        return Line(self._line(record, level), closes=record.audit_id)

    def _post_notice(self, text: str) -> None:
        self._writer.post([Line(encode_event(build_notice(str(uuid.uuid4()), text, self._now())))])

    async def _resolution(self, intent: Intent, read: ReadLive) -> Resolution:
        try:
            return resolve(intent, await read(intent))
        except Exception as error:  # any trouble means the same: it is not known
            logger.warning("what became of %s cannot be found out: %s", intent.audit_id, error)
            return Resolution(State.IN_DOUBT, "the object could not be read after the restart")


async def _reported(written: Awaitable[None], record: AuditRecord) -> None:
    try:
        await written
    except AuditUnavailable:
        message = f"what became of the request could not be recorded; audit id {record.audit_id}"
        raise ApiError(500, "InternalError", message) from None


async def _each(line: Callable[[AuditRecord], Line], records: Sequence[AuditRecord]) -> list[Line]:
    """Return the line of each record; those of a deletecollection, which may be many, in turns."""
    return [line(records[0])] if len(records) == 1 else await each_in_turn(line, records)


def _scan_file(path: Path) -> Scan:
    with path.open("rb") as file:
        return scan(file)


def _closed(why: str) -> ApiError:
    return service_unavailable(f"nothing was changed: {why}", retry_after_seconds=RETRY_AFTER)
