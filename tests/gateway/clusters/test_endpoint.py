import pytest

from gateway.clusters.endpoint import Endpoint, EndpointError, is_link_local, normalize_proxy, normalize_url


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
        "https://169.254.169.254",
        "https://[fe80::1]:6443",
        "https://[::ffff:169.254.169.254]",
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


@pytest.mark.parametrize(
    "address", ["169.254.0.1", "169.254.169.254", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254"]
)
def test_link_local_addresses_in_every_spelling(address: str) -> None:
    assert is_link_local(address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.0.0.1", "169.253.1.1", "fec0::1", "::ffff:127.0.0.1", "member.example", ""]
)
def test_what_is_not_link_local(address: str) -> None:
    assert not is_link_local(address)


@pytest.mark.parametrize("text", ["http://proxy:3128", "https://proxy", "http://user:secret@proxy:3128", ""])
def test_a_proxy(text: str) -> None:
    assert normalize_proxy(text, "https://10.0.0.1") == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("socks5://proxy:1080", "socks5"),
        ("proxy:3128", "http://HOST:PORT"),
        ("http://", "http://HOST:PORT"),
        ("http://proxy:notaport", "not an address"),
        ("http://169.254.169.254", "link-local"),
        ("http://[::ffff:169.254.169.254]:80", "link-local"),
    ],
)
def test_a_proxy_that_cannot_be_used(text: str, complaint: str) -> None:
    with pytest.raises(EndpointError, match=complaint):
        normalize_proxy(text, "https://10.0.0.1")


def test_a_proxy_never_sees_what_is_not_encrypted() -> None:
    with pytest.raises(EndpointError, match="https"):
        normalize_proxy("http://proxy:3128", "http://127.0.0.1:8080")


def test_a_password_in_a_proxy_is_not_repeated() -> None:
    for text in ("ftp://user:secret@proxy", "http://user:secret@proxy:x", "http://user:secret@169.254.1.1"):
        with pytest.raises(EndpointError) as refusal:
            normalize_proxy(text, "https://10.0.0.1")
        assert "secret" not in str(refusal.value)
