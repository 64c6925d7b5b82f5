from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery.errors import PathNotFound
from gateway.handlers.health import HealthCheck, HealthEndpoint
from gateway.handlers.paths import PathHandler
from gateway.handlers.response import body_response
from gateway.metrics import Metrics
from gateway.request import RequestInfo
from gateway.request_keys import REQUEST_INFO, Handler
from tests.support.gateway_chain import Answer, Pki, running_chain


class FakeDocuments:
    async def respond(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        if info.path != "/version":
            raise PathNotFound
        return body_response(request, b'{"major":"1"}')


def serving(clusters: Any) -> Handler:
    health = {"livez": HealthEndpoint("livez", [HealthCheck("ping", lambda: "")])}
    paths = PathHandler(health, Metrics(), FakeDocuments(), clusters)

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        return await paths.handle(request, request[REQUEST_INFO])

    return serve


async def ask(pki: Pki, method: str, path: str, clusters: Any = lambda: {"items": []}) -> Answer:
    async with running_chain(pki, serving(clusters)) as chain:
        return await chain.ask(method, path)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/livez", 200),
        ("GET", "/livez/", 200),
        ("GET", "/livez/ping", 200),
        ("GET", "/livez/nope", 404),
        ("GET", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("GET", "/metrics/x", 404),
        ("GET", "/fleetgate/v1alpha1/clusters", 200),
        ("DELETE", "/fleetgate/v1alpha1/clusters", 405),
        ("GET", "/fleetgate/v1alpha1/clusters/m1", 404),
        ("GET", "/version", 200),
        ("GET", "/clusters", 404),
        ("GET", "/nothing", 404),
        ("GET", "/", 404),
    ],
)
async def test_what_is_at_a_path(gateway_pki: Pki, method: str, path: str, code: int) -> None:
    assert (await ask(gateway_pki, method, path)).status == code


async def test_metrics_are_prometheus_text(gateway_pki: Pki) -> None:
    answer = await ask(gateway_pki, "GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"fleetgate_event_loop_lag_seconds" in answer.body


async def test_a_gateway_without_members_knows_no_list_of_them(gateway_pki: Pki) -> None:
    assert (await ask(gateway_pki, "GET", "/fleetgate/v1alpha1/clusters")).json() == {"items": []}
    assert (await ask(gateway_pki, "GET", "/fleetgate/v1alpha1/clusters", None)).status == 404
