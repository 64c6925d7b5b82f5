import base64
import json
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.storage.revision import ContinueToken, check_not_too_large, continue_expired, decode_continue, list_expired

NOT_VALID = "invalid continue token: continue key is not valid: "


def token(**content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize("key", [ObjectKey("ns", "a.b"), ObjectKey("", "node-1")])
@pytest.mark.parametrize("revision", [1, 1_780_000_000_000_000, None])
def test_a_token_comes_back_as_it_was_made(key: ObjectKey, revision: int | None) -> None:
    made = ContinueToken(revision, key)
    assert decode_continue(made.encode()) == made


def test_tokens_have_the_form_of_kube_apiserver() -> None:
    text = ContinueToken(529, ObjectKey("analytics", "kube-root-ca.crt")).encode()
    content = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert content == {"v": "meta.k8s.io/v1", "rv": 529, "start": "analytics/kube-root-ca.crt\0"}
    assert "=" not in text


def test_a_token_of_kube_apiserver_is_understood() -> None:
    text = token(v="meta.k8s.io/v1", rv=529, start="/analytics/kube-root-ca.crt\0")
    assert decode_continue(text) == ContinueToken(529, ObjectKey("analytics", "kube-root-ca.crt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc", "invalid character 'i' looking for beginning of value"),
        ("!!!", "illegal base64 data"),
        ("€", "illegal base64 data"),
        (
            token(v="meta.k8s.io/v1", rv=0, start="a"),
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        ),
        (token(v="meta.k8s.io/v1", rv=1, start=""), "encoded start key empty (version meta.k8s.io/v1)"),
        (token(v="x", rv=1, start="a"), "server does not recognize this encoded version x"),
        (token(v="meta.k8s.io/v1", rv=1, start="../a\0"), "../a\0"),
        (token(v="meta.k8s.io/v1", rv=1, start="a/b/c\0"), "a/b/c\0"),
        (token(v="meta.k8s.io/v1", rv=1, start="a"), "a"),
        (token(v="meta.k8s.io/v1", rv="one", start="a"), "not a token of this server"),
    ],
)
def test_a_token_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        decode_continue(text)
    assert (refusal.value.code, refusal.value.message) == (400, NOT_VALID + message)


def test_an_expired_token_comes_with_one_that_goes_on() -> None:
    error = continue_expired(ContinueToken(5, ObjectKey("ns", "a")))
    assert (error.code, error.reason) == (410, "Expired")
    assert decode_continue(error.status["metadata"]["continue"]) == ContinueToken(None, ObjectKey("ns", "a"))
    assert list_expired().message == "The resourceVersion for the provided list is too old."


def test_a_future_revision_is_a_timeout_that_may_be_tried_again() -> None:
    check_not_too_large(7, 7)
    with pytest.raises(ApiError) as refusal:
        check_not_too_large(8, 7)
    assert (refusal.value.code, refusal.value.message) == (504, "Timeout: Too large resource version: 8, current: 7")
    assert refusal.value.headers["Retry-After"] == "1"
