import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.continue_token import ContinueToken, ContinueTokenCodec
from gateway.apimachinery.errors import ApiError

CODEC = ContinueTokenCodec(b"0123456789abcdef")
TOKEN = ContinueToken(1_700_000_000_000_000, "default/web")


@given(st.integers(0, 2**53), st.text(max_size=50), st.text(max_size=50))
def test_tokens_come_back(revision, key, binding):
    token = ContinueToken(revision, key)
    text = CODEC.encode(token, binding)
    assert CODEC.decode(text, binding) == token
    assert text.isascii()
    assert "=" not in text


def refusal(text, binding="alice", codec=CODEC):
    with pytest.raises(ApiError) as caught:
        codec.decode(text, binding)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    assert caught.value.message.startswith("invalid continue token: continue key is not valid")


def test_a_token_is_good_for_one_caller_and_query_only():
    refusal(CODEC.encode(TOKEN, "bob"))


def test_a_token_of_another_gateway_is_refused():
    refusal(CODEC.encode(TOKEN, "alice"), codec=ContinueTokenCodec(b"another key 1234"))


@pytest.mark.parametrize("text", ["x", "é", "!!!!", "AA=A", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ", "AAAA"])
def test_garbage_is_refused(text):
    refusal(text)


@given(st.integers(0, 60), st.characters(codec="ascii", categories=("L", "N")))
def test_no_change_of_a_token_goes_unnoticed(position, character):
    text = CODEC.encode(TOKEN, "alice")
    position %= len(text)
    changed = text[:position] + character + text[position + 1 :]
    if changed == text:
        return
    try:
        assert CODEC.decode(changed, "alice") == TOKEN  # the last character carries unused bits
        assert position == len(text) - 1
    except ApiError:
        pass


@pytest.mark.parametrize("text", ["x", "é", "!!!!"])
def test_what_is_no_base64_is_called_that(text):
    with pytest.raises(ApiError, match="illegal base64 data"):
        CODEC.decode(text, "alice")


def test_an_expired_token_comes_with_one_that_goes_on_from_the_same_place():
    error = CODEC.expired(TOKEN, "alice")
    assert (error.code, error.reason) == (410, "Expired")
    assert error.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    assert CODEC.decode(error.status["metadata"]["continue"], "alice") == ContinueToken(0, "default/web")
