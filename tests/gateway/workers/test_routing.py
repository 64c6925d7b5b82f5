"""Which requests a worker answers itself."""

import time

import pytest

from cache.continue_token import ContinueToken, ContinueTokenCodec
from cache.followed import FollowedCacher
from cache.resource_kind import BUILT_IN_KINDS
from gateway.discovery.allow_list import AllowList
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.surface import served_surface
from gateway.filters.request_info import parse_query
from gateway.request import parse_request_info
from gateway.workers.routing import MergedReads

SLOT = 2
BEGUN = 32_000 + SLOT
TOKENS = ContinueTokenCodec(b"0123456789abcdef")


def reads(*denied: str) -> MergedReads:
    cachers = [FollowedCacher(kind, now=time.time, slot=SLOT) for kind in BUILT_IN_KINDS]
    for cacher in cachers:
        cacher.followed.begin(BEGUN)
    surface = served_surface((), AllowList(("*",), denied), MERGED_RESOURCES)
    return MergedReads(cachers, surface, TOKENS, time.time)


def answers(target: str, method: str = "GET", *, by: MergedReads | None = None) -> bool:
    path, _, raw_query = target.partition("?")
    query = parse_query(raw_query)
    return (by or reads()).answers(method, parse_request_info(method, path, query), query)


PODS = "/api/v1/namespaces/a/pods"


@pytest.mark.parametrize(
    "target",
    [
        PODS,
        f"{PODS}/web",
        "/api/v1/pods?watch=1",
        "/api/v1/events?limit=5&labelSelector=a%3Db",
        "/apis/events.k8s.io/v1/namespaces/a/events",
        "/api/v1/watch/namespaces/a/pods",
    ],
)
def test_reads_of_merged_kinds_are_answered(target: str) -> None:
    assert answers(target)


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (f"{PODS}/web/log", "GET"),
        (f"{PODS}/web/status", "GET"),
        (f"{PODS}/web/exec?command=sh", "GET"),
        (f"{PODS}/web/x/y", "GET"),
        (f"{PODS}/web", "HEAD"),
        (f"{PODS}/web", "DELETE"),
        (PODS, "POST"),
        (f"{PODS}?watch=1", "POST"),
        ("/api/v1/namespaces/a/configmaps", "GET"),
        ("/api/v1/namespaces/a", "GET"),
        ("/apis/apps/v1/namespaces/a/pods", "GET"),
        ("/apis/events.k8s.io/v1beta1/events", "GET"),
        ("/api/v1", "GET"),
        ("/readyz", "GET"),
        (f"/clusters/m1{PODS}", "GET"),
    ],
)
def test_all_else_is_not(target: str, method: str) -> None:
    assert not answers(target, method)


def test_what_is_not_served_is_not_answered() -> None:
    assert not answers(PODS, by=reads("pods"))
    assert answers("/api/v1/events", by=reads("pods"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("resourceVersion=0", True),
        ("resourceVersion=", True),
        (f"resourceVersion={BEGUN}", True),
        (f"resourceVersion={BEGUN - 32}", True),
        (f"resourceVersion={BEGUN - 32}&limit=5&resourceVersionMatch=NotOlderThan", True),
        (f"resourceVersion={BEGUN + 1}", False),
        (f"resourceVersion={BEGUN}&resourceVersionMatch=Exact", True),
        (f"resourceVersion={BEGUN - 32}&resourceVersionMatch=Exact", False),
        (f"resourceVersion={BEGUN - 32}&limit=5", False),
        ("resourceVersion=x", False),
        (f"resourceVersion={'9' * 5000}", False),
        ("resourceVersion=%C2%B2", False),
        (f"watch=1&resourceVersion={BEGUN}", True),
        (f"watch=1&resourceVersion={BEGUN + 32}", True),
        (f"watch=1&resourceVersion={BEGUN + 1}", False),
        (f"watch=1&resourceVersion={BEGUN - 32}", False),
        (f"watch=1&resourceVersion={BEGUN - 32}&sendInitialEvents=true", True),
        ("watch=1", True),
        (f"continue={TOKENS.encode(ContinueToken(BEGUN, 'a/b'), 'x')}", True),
        (f"continue={TOKENS.encode(ContinueToken(0, 'a/b'), 'x')}", True),
        (f"continue={TOKENS.encode(ContinueToken(BEGUN - 32, 'a/b'), 'x')}", False),
        ("continue=none", False),
    ],
)
def test_what_lies_within_what_is_known_is_answered(query: str, expected: bool) -> None:
    assert answers(f"{PODS}?{query}") == expected
