from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.apimachinery.errors import ApiError
from gateway.clusters.identity_headers import (
    ORDINARY_HEADERS,
    escape_extra_key,
    impersonation_headers,
    strip_identity,
)
from gateway.request import ANONYMOUS_USER, UserInfo


@pytest.mark.parametrize(
    "name",
    [
        "Impersonate-User",
        "impersonate-user",
        "IMPERSONATE_USER",
        "Impersonate_Extra_Scopes",
        "Impersonate-Anything-New",
        "X-Remote-User",
        "x_remote_group",
        "X-Remote_Extra-a",
        "X-Forwarded-For",
        "x_forwarded_for",
        "Forwarded",
        "X-Real-IP",
        "x_real_ip",
        "Audit-ID",
        "AUDIT_ID",
        "Authorization",
        "aUTHORIZATION",
        "Cookie",
        "Proxy-Authorization",
        "X-Original-URL",
        "X-Client-Ip",
    ],
)
def test_identity_is_stripped_in_every_spelling(name: str) -> None:
    assert list(strip_identity(CIMultiDict([(name, "a"), (name.swapcase(), "b"), ("Accept", "c")]))) == ["Accept"]


@pytest.mark.parametrize(
    "name", ["Accept", "User-Agent", "If-None-Match", "X-Stream-Protocol-Version", "Kubectl-Command"]
)
def test_other_headers_stay_with_all_their_values(name: str) -> None:
    headers = CIMultiDict([(name, "a"), (name, "b")])
    assert strip_identity(headers) == headers


def test_what_needs_no_further_look_says_nothing_about_anybody() -> None:
    looked_at = [name.lower() for name in ORDINARY_HEADERS]  # in a spelling that is looked at
    assert not ORDINARY_HEADERS & set(looked_at)
    assert list(strip_identity(dict.fromkeys(looked_at, "a"))) == looked_at
    assert not [name for name in looked_at if "websocket" in name]


def test_a_token_among_websocket_protocols_is_taken_out() -> None:
    headers = {"Sec-WebSocket-Protocol": "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0"}
    assert strip_identity(headers) == {"Sec-WebSocket-Protocol": "v5.channel.k8s.io"}


def test_a_websocket_header_that_is_only_a_token_goes() -> None:
    headers = {"sec_websocket_protocol": "base64url.bearer.authorization.k8s.io.c2VjcmV0"}
    assert not strip_identity(headers)


def test_the_whole_user_is_impersonated() -> None:
    user = UserInfo(
        "alice",
        uid="u1",
        groups=("dev", "system:authenticated", "ops"),
        extra={"scopes": ("a", "b"), "x.io/k y%": ("c",)},
    )
    assert list(impersonation_headers(user).items()) == [
        ("Impersonate-User", "alice"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Uid", "u1"),
        ("Impersonate-Extra-scopes", "a"),
        ("Impersonate-Extra-scopes", "b"),
        ("Impersonate-Extra-x.io%2Fk%20y%25", "c"),
    ]


def test_users_and_groups_only() -> None:
    user = UserInfo("alice", uid="u1", groups=("dev",), extra={"scopes": ("a",)})
    headers = impersonation_headers(user, users_and_groups_only=True)
    assert list(headers) == ["Impersonate-User", "Impersonate-Group"]


def test_anonymous_keeps_no_implied_group() -> None:
    assert list(impersonation_headers(ANONYMOUS_USER).items()) == [("Impersonate-User", "system:anonymous")]


def test_only_the_group_the_server_adds_itself_is_left_out() -> None:
    user = UserInfo("alice", groups=("system:unauthenticated",))
    assert impersonation_headers(user).getall("Impersonate-Group") == ["system:unauthenticated"]


def test_nobody_is_never_us() -> None:
    with pytest.raises(ApiError) as refusal:
        impersonation_headers(UserInfo(""))
    assert refusal.value.code == 401


@pytest.mark.parametrize(
    "user",
    [
        UserInfo("a\r\nImpersonate-Group: system:masters"),
        UserInfo("a", groups=("g\n",)),
        UserInfo("a", uid="\x00"),
        UserInfo("a", extra={"k": ("v\x7f",)}),
    ],
)
def test_control_characters_are_refused(user: UserInfo) -> None:
    with pytest.raises(ApiError) as refusal:
        impersonation_headers(user)
    assert refusal.value.code == 400


@given(st.text())
def test_an_escaped_key_is_a_header_token_and_reads_back(key: str) -> None:
    escaped = escape_extra_key(key)
    assert escaped.isascii()
    assert not set(escaped) & set(' :/"()<>@,;[]?={}\\\t\r\n')
    assert unquote(escaped) == key.encode("utf-8", "surrogateescape").decode("utf-8", "replace") or max(key) >= "\ud800"
