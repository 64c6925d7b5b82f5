from collections.abc import Callable

import pytest
from multidict import CIMultiDict

from gateway.clusters.identity_headers import ORDINARY_HEADERS
from gateway.proxy.rewrite import query_string, rename, request_headers, response_headers, upgrade_headers
from gateway.request import parse_request_info, upstream_path


def test_hop_by_hop_headers_and_those_named_by_connection_stop_here() -> None:
    headers = CIMultiDict(
        [
            ("Host", "gateway"),
            ("Connection", "keep-alive, X-Private"),
            ("connection", "x_other"),
            ("Keep-Alive", "5"),
            ("TE", "trailers"),
            ("Transfer-Encoding", "chunked"),
            ("Content-Length", "3"),
            ("Expect", "100-continue"),
            ("Upgrade", "h2c"),
            ("Proxy-Connection", "x"),
            ("X-Private", "a"),
            ("X-Other", "b"),
            ("Accept-Encoding", "gzip"),
            ("Accept", "a"),
            ("Accept", "b"),
        ]
    )
    assert list(request_headers(headers).items()) == [("Accept-Encoding", "gzip"), ("Accept", "a"), ("Accept", "b")]


@pytest.mark.parametrize("rewritten", [request_headers, response_headers])
def test_what_is_ordinary_stays_unless_connection_names_it(
    rewritten: Callable[[CIMultiDict[str]], CIMultiDict[str]],
) -> None:
    ordinary = CIMultiDict(dict.fromkeys(ORDINARY_HEADERS, "x"))
    assert rewritten(ordinary) == ordinary
    del ordinary["Accept"]
    assert rewritten(CIMultiDict({**ordinary, "Accept": "x", "Connection": "accept"})) == ordinary


def test_an_upgrade_keeps_its_offer() -> None:
    headers = CIMultiDict(
        [
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "SPDY/3.1"),
            ("X-Stream-Protocol-Version", "v5.channel.k8s.io"),
            ("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
            ("Sec-WebSocket-Key", "k"),
        ]
    )
    kept = upgrade_headers(headers)
    assert kept["Connection"] == "Upgrade"
    assert kept["Upgrade"] == "SPDY/3.1"
    assert kept.getall("X-Stream-Protocol-Version") == ["v5.channel.k8s.io", "v4.channel.k8s.io"]
    assert kept["Sec-WebSocket-Key"] == "k"


def test_an_answers_own_affairs_stay_with_the_gateway() -> None:
    headers = CIMultiDict(
        [
            ("Audit-Id", "theirs"),
            ("Date", "x"),
            ("Server", "x"),
            ("Set-Cookie", "x"),
            ("Content-Length", "5"),
            ("Strict-Transport-Security", "x"),
            ("Content-Encoding", "gzip"),
            ("Warning", '299 - "a"'),
            ("Warning", '299 - "b"'),
            ("X-Kubernetes-Pf-Flowschema-Uid", "u"),
        ]
    )
    kept = response_headers(headers)
    assert set(kept) == {"Content-Encoding", "Warning", "X-Kubernetes-Pf-Flowschema-Uid"}
    assert kept.getall("Warning") == ['299 - "a"', '299 - "b"']


def test_a_query_is_encoded_from_what_was_understood() -> None:
    pairs = [("command", "sh"), ("command", "-c"), ("command", "a b&c=ü"), ("tty", "")]
    assert query_string(pairs) == "command=sh&command=-c&command=a%20b%26c%3D%C3%BC&tty="


@pytest.mark.parametrize(
    ("path", "renamed"),
    [
        ("/api/v1/namespaces/shop/pods/web.m1", "/api/v1/namespaces/shop/pods/web"),
        ("/api/v1/namespaces/shop/pods/web.m1/", "/api/v1/namespaces/shop/pods/web/"),
        ("/api/v1/namespaces/shop/pods/web.m1/log", "/api/v1/namespaces/shop/pods/web/log"),
        ("/api/v1/namespaces/shop/pods/web.m1/proxy/web.m1/x", "/api/v1/namespaces/shop/pods/web/proxy/web.m1/x"),
        ("/api/v1/namespaces/web.m1/pods/web.m1/exec", "/api/v1/namespaces/web.m1/pods/web/exec"),
        ("/apis/events.k8s.io/v1/namespaces/a/events/web.m1", "/apis/events.k8s.io/v1/namespaces/a/events/web"),
    ],
)
def test_only_the_name_changes(path: str, renamed: str) -> None:
    info = rename(parse_request_info("GET", path, {}), "web")
    assert upstream_path(info) == renamed
    assert info.name == "web"
    assert info == parse_request_info("GET", renamed, {})


def test_the_same_name_changes_nothing() -> None:
    info = parse_request_info("GET", "/api/v1/namespaces/shop/pods/web", {})
    assert rename(info, "web") is info
