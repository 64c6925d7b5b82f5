"""/livez, /readyz and /healthz with their single checks, in the words of k8s.io/apiserver `server/healthz`.

A check is a named function without side effects; why one failed stands in the log, never in the answer: health is open
to anonymous callers. They are told whether all is well and nothing else, which is less than there: which
checks there are, and how the members do, is for callers with a name.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.apimachinery.errors import PathNotFound
from gateway.handlers.response import plain_text_response
from gateway.request import UserInfo
from gateway.request_keys import QUERY, USER

logger = logging.getLogger("gateway.health")


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that must be well. `probe` returns what is wrong, or an empty string."""

    name: str
    probe: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Note:
    """A line of `?verbose` that cannot fail the check: the state of one member, for example."""

    name: str
    text: str


async def no_notes(_user: UserInfo) -> Sequence[Note]:
    """Say nothing beside the checks."""
    return ()


class HealthEndpoint:
    """One of the three endpoints.

    Args:
        name: `livez`, `readyz` or `healthz`.
        checks: all of them must pass.
        notes: further lines for a caller with a name, as far as he may know; asked for only where they are shown.
    """

    def __init__(
        self,
        name: str,
        checks: Sequence[HealthCheck],
        notes: Callable[[UserInfo], Awaitable[Sequence[Note]]] = no_notes,
    ) -> None:
        """Keep the parts; nothing is probed before a request comes."""
        self._name = name
        self._checks = checks
        self._notes = notes

    async def respond(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        """Answer `/<name>` or `/<name>/<check>`; `rest` is the check's name or empty. Raises PathNotFound."""
        if rest:
            return self._answer_one(request, rest)
        excluded = {value for name, value in parse_qsl(request.query_string) if name == "exclude"}
        lines: list[str] = []
        failed = False
        for check in self._checks:
            if check.name in excluded:
                lines.append(f"[+]{check.name} excluded: ok")
            elif self._fails(check):
                failed = True
                lines.append(f"[-]{check.name} failed: reason withheld")
            else:
                lines.append(f"[+]{check.name} ok")
        if unknown := sorted(excluded - {check.name for check in self._checks}):
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        user = request[USER]
        if not failed and ("verbose" not in request[QUERY] or user.anonymous):
            return plain_text_response(request, 200, "ok")
        if user.anonymous:
            return plain_text_response(request, 500, f"{self._name} check failed\n")
        lines += [f"[i]{note.name} {note.text}" for note in await self._notes(user)]
        lines += [f"{self._name} check {'failed' if failed else 'passed'}", ""]
        return plain_text_response(request, 500 if failed else 200, "\n".join(lines))

    def _answer_one(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        check = next((check for check in self._checks if check.name == name), None)
        if check is None:
            raise PathNotFound
        if self._fails(check):
            return plain_text_response(request, 500, "internal server error: reason withheld\n")
        return plain_text_response(request, 200, "ok")

    def _fails(self, check: HealthCheck) -> bool:
        problem = check.probe()
        if problem:
            logger.warning("%s check %s failed: %s", self._name, check.name, problem)
        return bool(problem)
