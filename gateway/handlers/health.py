"""/livez, /readyz and /healthz with their single checks, in the words of k8s.io/apiserver `server/healthz` (dialect 2.11).

A check is a named function without side effects; why one failed stands in the log, never in the answer: health is open to
anonymous callers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.apimachinery.errors import PathNotFound
from gateway.handlers.response import plain_text_response
from gateway.request_keys import QUERY

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


class HealthEndpoint:
    """One of the three endpoints.

    Args:
        name: `livez`, `readyz` or `healthz`.
        checks: all of them must pass.
        notes: further lines for `?verbose`, asked for at every request.
    """

    def __init__(self, name: str, checks: Sequence[HealthCheck], notes: Callable[[], Sequence[Note]] = lambda: ()) -> None:
        """Keep the parts; nothing is probed before a request comes."""
        self._name = name
        self._checks = checks
        self._notes = notes

    def respond(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        """Answer `/<name>` or `/<name>/<check>`; `rest` is the check's name or empty. Raises PathNotFound."""
        query: Mapping[str, str] = request[QUERY]
        if rest:
            chosen = [check for check in self._checks if check.name == rest]
            if not chosen:
                raise PathNotFound
            return self._answer(request, chosen, set(), verbose="verbose" in query)
        excluded = set(request.rel_url.query.getall("exclude", []))
        return self._answer(request, self._checks, excluded, verbose="verbose" in query)

    def _answer(
        self, request: web.BaseRequest, checks: Sequence[HealthCheck], excluded: set[str], *, verbose: bool
    ) -> web.StreamResponse:
        lines: list[str] = []
        failed: list[str] = []
        for check in checks:
            if check.name in excluded:
                lines.append(f"[+]{check.name} excluded: ok")
            elif problem := check.probe():
                failed.append(check.name)
                lines.append(f"[-]{check.name} failed: reason withheld")
                logger.warning("%s check %s failed: %s", self._name, check.name, problem)
            else:
                lines.append(f"[+]{check.name} ok")
        unknown = sorted(excluded - {check.name for check in checks})
        if unknown:
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        lines.extend(f"[i]{note.name} {note.text}" for note in self._notes())
        if failed:
            text = "\n".join((*lines, f"{self._name} check failed", ""))
            return plain_text_response(request, 500, text)
        text = "\n".join((*lines, f"{self._name} check passed", "")) if verbose else "ok"
        return plain_text_response(request, 200, text)
