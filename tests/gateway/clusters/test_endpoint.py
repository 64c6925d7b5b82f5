import pytest

from gateway.clusters.endpoint import Endpoint, EndpointError, normalize_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
        ("https://host/prefix/", "https://host/prefix"),
        ("10.0.0.1:6443", "https://10.0.0.1:6443"),
        ("member.example", "https://member.example"),
        ("https://[::1]:6443", "https://[::1]:6443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://localhost:8001", "http://localhost:8001"),
    ],
)
def test_an_address_becomes_a_url(text: str, url: str) -> None:
    assert normalize_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "ftp://host",
        "https://user:secret@host",
        "https://host?x=1",
        "https://host#f",
        "https://host:notaport",
        "http://10.0.0.1:8080",
        "http://127.0.0.1.evil.example",
        "https://",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(EndpointError):
        normalize_url(text)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(EndpointError) as refusal:
        normalize_url("https://user:secret@host")
    assert "secret" not in str(refusal.value)


def test_only_https_is_secure() -> None:
    assert Endpoint("https://a").secure
    assert not Endpoint("http://127.0.0.1").secure
