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
    proxy on the way; `proxy_headers` are sent to that proxy only, never to the API server.
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


def normalize_url(text: str) -> str:
    """Return the address as a URL without a trailing slash; a bare `host:port` means https.

    Raises EndpointError for what no API server is reached at: other schemes, a user name or query in the URL, and plain
    http to another machine, which would show the gateway's credentials to the network.
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
    return url.rstrip("/")
