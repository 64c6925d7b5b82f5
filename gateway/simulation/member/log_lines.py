"""What a simulated container writes to its log: plausible lines, the same at every reading, growing with time. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.apimachinery import meta
from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.meta import JsonObject, field
from gateway.request import truthy
from gateway.simulation.member.container_choice import choose_container, container_status
from gateway.storage.object_meta import parse_timestamp

LINE_SECONDS = 5.0
"""Seconds between two lines of a running container."""

_KEPT_LINES = 5000
"""Lines of a container that can still be read, as log files are rotated."""

_PATHS = ("/", "/api/orders", "/api/products/17", "/healthz", "/static/app.js")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line and when it was written, in seconds since the epoch."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a container: when it started, and when and how it ended, None while it runs."""

    container: str
    image: str
    pod: str
    seed: str
    started: float
    finished: float | None = None
    exit_code: int | None = None

    def lines(self, since: float, until: float) -> Iterator[LogLine]:
        """Yield the lines written from `since` on and before `until`."""
        begun = LogLine(self.started, f"simulated container {self.container} of {self.pod} started from {self.image}")
        if since <= begun.time < until:
            yield begun
        end = until if self.finished is None else min(until, self.finished)
        wanted, last = ((moment - self.started) // LINE_SECONDS for moment in (since, end))
        number = int(max(1, wanted, last - _KEPT_LINES))
        while (written := self.started + number * LINE_SECONDS) < end:
            if written >= since:
                yield LogLine(written, self._text(number))
            number += 1
        if self.finished is not None and since <= self.finished < until:
            yield LogLine(self.finished, _farewell(self.exit_code or 0))

    def _text(self, number: int) -> str:
        chance = zlib.crc32(f"{self.seed}/{number}".encode())
        path = _PATHS[chance % len(_PATHS)]
        return f'request={number} "GET {path}" status=200 duration={1 + chance // 7 % 40}ms'

    def next_line(self, after: float) -> float:
        """Return when the next line is written while the container runs."""
        return self.started + (int((after - self.started) // LINE_SECONDS) + 1) * LINE_SECONDS


def _farewell(exit_code: int) -> str:
    if exit_code:
        return f"fatal: simulated failure, exit code {exit_code}"
    return "work done, exit code 0"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """core/v1 PodLogOptions, as far as they change anything here."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since: float = 0.0
    tail_lines: int | None = None
    limit_bytes: int | None = None


def parse_log_options(query: Mapping[str, str], now: float) -> LogOptions:
    """Read the options of a log request. Raises ApiError 400 for numbers and times that are none."""
    since_seconds = _number(query, "sinceSeconds", least=1)
    since = now - since_seconds if since_seconds is not None else 0.0
    if text := query.get("sinceTime", ""):
        try:
            since = parse_timestamp(text)
        except ValueError:
            raise bad_request(f"sinceTime: Invalid value: {text!r}: must be an RFC 3339 time") from None
    return LogOptions(
        container=query.get("container", ""),
        follow=truthy(query, "follow"),
        previous=truthy(query, "previous"),
        timestamps=truthy(query, "timestamps"),
        since=since,
        tail_lines=_number(query, "tailLines", least=0),
        limit_bytes=_number(query, "limitBytes", least=1),
    )


def _number(query: Mapping[str, str], name: str, *, least: int) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise bad_request(f'{name}: strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if number < least:
        raise bad_request(f"{name}: Invalid value: {number}: must be greater than or equal to {least}")
    return number


def find_run(pod: JsonObject, options: LogOptions, cluster: str) -> Run:
    """Return the run of a container that a log request is about. Raises ApiError 400, in kubelet's words."""
    container = choose_container(pod, options.container)
    name = str(container["name"])
    status = container_status(pod, name) or {}
    running, terminated = field(status, "state", "running"), field(status, "state", "terminated")
    last = field(status, "lastState", "terminated")
    if options.previous:
        if last is None:
            raise bad_request(f'previous terminated container "{name}" in pod "{meta.name(pod)}" not found')
        running, terminated = None, last
    elif running is None and terminated is None:
        terminated = last
    if running is None and terminated is None:
        reason = field(status, "state", "waiting", "reason") or "ContainerCreating"
        raise bad_request(f'container "{name}" in pod "{meta.name(pod)}" is waiting to start: {reason}')
    state = running or terminated
    run = Run(
        container=name,
        image=str(container.get("image") or ""),
        pod=f"{cluster}/{meta.key(pod)}",
        seed=f"{meta.uid(pod)}/{name}",
        started=parse_timestamp(state["startedAt"]),
    )
    return run if terminated is None else _ended(run, terminated)


def ended_run(run: Run, pod: JsonObject) -> Run:
    """Return a run as it stands in a later state of its Pod: with its end, where it has ended."""
    status = container_status(pod, run.container) or {}
    for part in ("state", "lastState"):
        terminated = field(status, part, "terminated")
        if terminated is not None and parse_timestamp(terminated["startedAt"]) == run.started:
            return _ended(run, terminated)
    return run


def _ended(run: Run, terminated: JsonObject) -> Run:
    return replace(run, finished=parse_timestamp(terminated["finishedAt"]), exit_code=terminated.get("exitCode"))


def log_bytes(lines: Iterable[LogLine], options: LogOptions) -> bytes:
    """Return lines as a client receives them; `tail_lines` and `limit_bytes` are not applied here."""
    if options.timestamps:
        return b"".join(f"{_nanoseconds(line.time)} {line.text}\n".encode() for line in lines)
    return b"".join(f"{line.text}\n".encode() for line in lines)


def existing_log(run: Run, options: LogOptions, now: float) -> bytes:
    """Return what is written already, as the options limit it."""
    lines = list(run.lines(options.since, now))
    if options.tail_lines is not None:
        lines = lines[max(0, len(lines) - options.tail_lines) :]
    content = log_bytes(lines, options)
    return content if options.limit_bytes is None else content[: options.limit_bytes]


def _nanoseconds(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}000Z"
