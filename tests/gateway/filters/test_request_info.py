import pytest

from gateway.apimachinery.errors import ApiError
from gateway.filters.request_info import MAX_QUERY_FIELDS, parse_query
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import Pki, running_chain


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", {}),
        ("watch", {"watch": ""}),
        ("a=1&a=2&b=%2Fx+y", {"a": "1", "b": "/x y"}),
        ("a=b;c=d", {"a": "b;c=d"}),
        ("labelSelector=a%3Db%2Cc", {"labelSelector": "a=b,c"}),
    ],
)
def test_the_first_value_of_a_name_counts(raw: str, query: dict[str, str]) -> None:
    assert parse_query(raw) == query


@pytest.mark.parametrize("raw", ["a=%ff", "&".join(f"a{i}=1" for i in range(MAX_QUERY_FIELDS + 1))])
def test_a_query_that_cannot_be_decoded_is_refused(raw: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_query(raw)
    assert (refusal.value.code, refusal.value.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/namespaces/a/%2e%2e/b",
        "/api/v1/../secret",
        "/api/v1/namespaces/a%2fb/pods",
        "/api/v1/namespaces/a%252fb/pods",
        "/api/v1/namespaces/a%00/pods",
        "/api/v1/namespaces/%ff/pods",
        "/clusters/m1/%2e%2e/api",
        "http://elsewhere/api/v1/pods",
        "/api/v1/pods?a=%ff",
    ],
)
async def test_what_intermediaries_disagree_about_is_refused(gateway_pki: Pki, target: str) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await chain.raw(head.encode(), user="alice")
        assert chain.authorizer.asked == []
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"reason":"BadRequest"' in answer


@pytest.mark.parametrize(
    ("target", "verb", "path"),
    [
        ("//api/v1/pods", "list", "/api/v1/pods"),
        ("/api/v1/watch/pods", "watch", "/api/v1/watch/pods"),
        ("/api/v1/pods?watch", "watch", "/api/v1/pods"),
        ("/api/v1/pods?watch=0&watch=1", "list", "/api/v1/pods"),
        ("/api/v1/namespaces/a;b/pods", "list", "/api/v1/namespaces/a;b/pods"),
    ],
)
async def test_what_is_served_is_what_was_authorised(gateway_pki: Pki, target: str, verb: str, path: str) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await chain.raw(head.encode(), user="alice")
        asked = chain.authorizer.asked[0]
    assert f'"verb": "{verb}", "path": "{path}"'.encode() in answer
    assert (asked.verb, asked.path) == (verb, path)
