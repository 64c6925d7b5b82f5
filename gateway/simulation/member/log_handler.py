"""Answers `kubectl logs` for a simulated Pod. What is written, and when, is decided by log_lines.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from gateway.apimachinery import meta
from gateway.apimachinery.field_selectors import parse_field_selector
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.apimachinery.options import ListOptions
from gateway.handlers.response import answer_headers, body_response
from gateway.request_scope import RequestScope
from gateway.simulation.member.log_lines import (
    LogOptions,
    Run,
    ended_run,
    existing_log,
    find_run,
    log_bytes,
    parse_log_options,
)
from gateway.simulation.member.objects import definition
from gateway.storage.interface import StoredEvent
from gateway.storage.reads import RegistryWatch
from gateway.storage.registry import Registry

_TEXT = "text/plain"


class LogHandler:
    """The logs of one member's Pods."""

    def __init__(self, registry: Registry, cluster: str, now: Callable[[], float]) -> None:
        """`cluster` is the member's name, which its Pods mention in their logs."""
        self._registry = registry
        self._pods = definition(registry, "v1", "pods")
        self._cluster = cluster
        self._now = now

    async def respond(self, request: web.BaseRequest, scope: RequestScope) -> web.StreamResponse:
        """Answer one request. Raises ApiError: 404, 400 while the container waits to start."""
        key = ObjectKey(scope.info.namespace, scope.info.name)
        pod = self._pods.object(await self._registry.get(self._pods, key))
        options = parse_log_options(scope.query, self._now())
        if not field(pod, "spec", "nodeName"):
            return body_response(request, b"", _TEXT)
        run = find_run(pod, options, self._cluster)
        now = self._now()
        content = existing_log(run, options, now)
        if not options.follow or options.limit_bytes is not None:
            return body_response(request, content, _TEXT)
        response = web.StreamResponse(headers=answer_headers(request))
        response.headers["Content-Type"] = _TEXT
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(content)
        await self._follow(response, pod, run, options, now)
        await response.write_eof()
        return response

    async def _follow(
        self, response: web.StreamResponse, pod: JsonObject, run: Run, options: LogOptions, written: float
    ) -> None:
        """Write each line as it comes, until the run has ended or the Pod is gone."""
        name = parse_field_selector(f"metadata.name={meta.name(pod)}")
        watched = ListOptions(watch=True, resource_version=meta.resource_version(pod), field_selector=name)
        watch = await self._registry.watch(self._pods, meta.namespace(pod), watched)
        try:
            while run.finished is None:
                events = await _next_events(watch, run.next_line(written) - self._now())
                for event in events or ():
                    run = ended_run(run, self._pods.object(event.object)) if event.object is not None else run
                upto = self._now() if run.finished is None else run.finished + 1
                if content := log_bytes(run.lines(written, upto), options):
                    await response.write(content)
                written = upto
                if events is not None and (not events or events[-1].type == "DELETED"):
                    return
        finally:
            watch.close()


async def _next_events(watch: RegistryWatch, seconds: float) -> list[StoredEvent] | None:
    """Return what happened to the Pod: None when nothing did in so many seconds, an empty list at the watch's end."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await watch.next_batch()
    except TimeoutError:
        return None
