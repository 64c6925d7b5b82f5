from dataclasses import dataclass, field
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.apimachinery.errors import ApiError, unauthorized
from gateway.authentication.authenticator import RefuseBearerTokens, UnionAuthenticator, is_open
from gateway.request import ANONYMOUS_USER, RequestInfo, UserInfo, parse_request_info
from gateway.request_keys import REQUEST_INFO


@dataclass
class FakeRequest:
    info: RequestInfo
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)

    def __getitem__(self, key: object) -> RequestInfo:
        assert key is REQUEST_INFO
        return self.info


def request(path: str = "/api/v1/pods", **headers: str) -> Any:
    return FakeRequest(parse_request_info("GET", path, {}), CIMultiDict(headers))


class Says:
    def __init__(self, user: UserInfo | None) -> None:
        self.user = user

    def authenticate(self, _request: Any) -> UserInfo | None:
        return self.user


class Refuses:
    def authenticate(self, _request: Any) -> UserInfo | None:
        raise unauthorized()


def test_the_first_with_an_opinion_decides() -> None:
    union = UnionAuthenticator((Says(None), Says(UserInfo("alice")), Refuses()))
    assert union.authenticate(request()) == UserInfo("alice", groups=("system:authenticated",))


def test_users_of_one_certificate_are_told_apart() -> None:
    alice = UserInfo("alice", credential_fingerprint="ab12")
    says = Says(alice)
    union = UnionAuthenticator((says,))
    assert union.authenticate(request()) is union.authenticate(request())
    says.user = UserInfo("alice", groups=("ops",), credential_fingerprint="ab12")
    assert union.authenticate(request()).groups == ("ops", "system:authenticated")
    says.user = UserInfo("bob")
    assert union.authenticate(request()).name == "bob"


def test_one_good_credential_is_enough() -> None:
    union = UnionAuthenticator((Refuses(), Says(UserInfo("alice")), Refuses()))
    assert union.authenticate(request()).name == "alice"


@pytest.mark.parametrize("others", [(), (Says(None),)])
def test_a_bad_credential_is_not_overlooked(others: tuple[Says, ...]) -> None:
    union = UnionAuthenticator((Refuses(), *others))
    with pytest.raises(ApiError) as refusal:
        union.authenticate(request("/livez"))
    assert refusal.value.code == 401


def test_groups_are_named_once() -> None:
    union = UnionAuthenticator((Says(UserInfo("alice", groups=("dev", "system:authenticated", "dev"))),))
    assert union.authenticate(request()).groups == ("dev", "system:authenticated")


def test_without_credentials_only_health_is_open() -> None:
    union = UnionAuthenticator((Says(None),))
    assert union.authenticate(request("/readyz")) is ANONYMOUS_USER
    with pytest.raises(ApiError) as refusal:
        union.authenticate(request("/version"))
    assert (refusal.value.code, refusal.value.message) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("path", "opened"),
    [
        ("/livez", True),
        ("/readyz/", True),
        ("/healthz/ping", True),
        ("/", False),
        ("/livezz", False),
        ("/x/livez", False),
        ("/clusters/m1/livez", False),
        ("/api/v1/livez", False),
        ("/apis/livez", False),
    ],
)
def test_what_is_health(path: str, opened: bool) -> None:
    assert is_open(parse_request_info("GET", path, {})) is opened


@pytest.mark.parametrize("value", ["Bearer x", "Basic eDp5", "nonsense"])
def test_tokens_are_refused(value: str) -> None:
    with pytest.raises(ApiError):
        RefuseBearerTokens().authenticate(request(Authorization=value))


def test_one_of_several_headers_is_enough() -> None:
    asked = request()
    asked.headers.extend([("Authorization", " "), ("authorization", "Bearer x")])
    with pytest.raises(ApiError):
        RefuseBearerTokens().authenticate(asked)


def test_no_token_is_no_opinion() -> None:
    assert RefuseBearerTokens().authenticate(request()) is None
    assert RefuseBearerTokens().authenticate(request(Authorization="  ")) is None
