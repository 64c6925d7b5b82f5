"""Where an API server is: its address and how the way there is secured, as a value. Pure.

Credentials are kept apart (credentials.py): they rotate, while another endpoint means another API server.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class EndpointError(ValueError):
    """An address that cannot be used, in words for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of an API server; `url` has no trailing slash and may carry a path prefix.

    `tls_server_name` is the name expected in its certificate, empty for the host of the URL. `proxy_url` is an HTTP
    proxy on the way (Go's and Karmada's meaning: a tunnel is asked of it with CONNECT, and inside the tunnel the API
    server is verified as without it); `proxy_headers` are sent to that proxy only, never to the API server.
    """

    url: str
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    proxy_url: str = ""
    proxy_headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("https://")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_link_local(host: str) -> bool:
    """Whether a host is a link-local address, written as IPv4, as IPv6 or as IPv4 inside IPv6; no name is one.

    Metadata services of clouds live there, never API servers.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_link_local


def normalize_url(text: str) -> str:
    """Return the address as a URL without a trailing slash; a bare `host:port` means https.

    Raises EndpointError for what no API server is reached at: other schemes, a user name or query in the URL, a
    link-local address, and plain http to another machine, which would show the gateway's credentials to the network.
    """
    url = text.strip()
    if "://" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise EndpointError(f"{text!r} is not an address: {error}") from None
    if not host or parts.scheme not in {"https", "http"}:
        raise EndpointError(f"{text!r} is not an address: write https://HOST:PORT")
    if parts.username is not None or parts.query or parts.fragment:
        raise EndpointError(f"{host!r}: an address carries no user name, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise EndpointError(f"{text!r}: plain http is accepted for this machine only, write https://")
    if is_link_local(host):
        raise EndpointError(f"{host!r} is a link-local address, which is never dialled")
    return url.rstrip("/")


def normalize_proxy(text: str, url: str) -> str:
    """Return the address of the proxy on the way to the API server at `url`; empty means none.

    Raises EndpointError for what no such proxy is reached at (SOCKS is not supported), and where the API server is
    spoken to without encryption: the proxy would read the gateway's credentials. The error never repeats the whole
    address, which may hold a password.
    """
    proxy = text.strip()
    if not proxy:
        return ""
    try:
        parts = urlsplit(proxy)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise EndpointError("the proxy is not an address: write http://HOST:PORT") from None
    if not host or parts.scheme not in {"http", "https"}:
        scheme = f"{parts.scheme}: " if parts.scheme else ""
        raise EndpointError(f"{scheme}only http and https proxies are supported: write http://HOST:PORT")
    if is_link_local(host):
        raise EndpointError(f"the proxy {host!r} is a link-local address, which is never dialled")
    if not url.startswith("https://"):
        raise EndpointError("a proxy is used on the way to an https:// address only: it would read the credentials")
    return proxy
