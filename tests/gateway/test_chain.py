from aiohttp import web

from gateway.apimachinery.errors import not_found
from gateway.apimachinery.schema import GroupResource
from gateway.chain import chain
from gateway.request_keys import Filter, Handler
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import DENY, Pki, running_chain


async def test_the_first_filter_is_met_first() -> None:
    met: list[str] = []

    def step(name: str) -> Filter:
        def wrap(handler: Handler) -> Handler:
            async def serve(request: web.BaseRequest) -> web.StreamResponse:
                met.append(name)
                return await handler(request)

            return serve

        return wrap

    async def end(_request: web.BaseRequest) -> web.StreamResponse:
        met.append("end")
        return web.Response()

    await chain([step("a"), step("b"), step("c")], end)(None)  # type: ignore[arg-type]  # nothing looks at it
    assert met == ["a", "b", "c", "end"]


async def test_nobody_reaches_a_handler_unasked(gateway_pki: Pki) -> None:
    reached: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        reached.append(request.raw_path)
        return await echo(request)

    paths = ("/api/v1/pods", "/api/v1/pods?watch=1", "/metrics", "/openapi/v3", "/fleetgate/v1alpha1/clusters", "/x")
    async with running_chain(gateway_pki, note, decide=lambda _: DENY) as running:
        for path in paths:
            assert (await running.ask("GET", path, user="")).status == 401
            assert (await running.ask("GET", path)).status == 403
        assert reached == []


async def test_a_refused_body_is_never_read(gateway_pki: Pki) -> None:
    """The answer comes before the body: authorization stands in front of whatever reads."""
    async with running_chain(gateway_pki, echo, decide=lambda _: DENY) as running:
        head = b"POST /api/v1/namespaces/a/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        answer = await running.raw(head, user="alice")
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")


async def test_head_has_no_body(gateway_pki: Pki) -> None:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        raise not_found(GroupResource("", "pods"), "p")

    async with running_chain(gateway_pki, echo) as running:
        assert (
            await running.raw(b"HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", user="a")
        ).endswith(b"\r\n\r\n")
    async with running_chain(gateway_pki, refuse) as running:
        answer = await running.raw(b"HEAD /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", user="a")
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert answer.endswith(b"\r\n\r\n")
