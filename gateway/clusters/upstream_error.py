"""What is said of an API server that could not be asked or did not answer: apart from its own refusals.

Texts name no address: what our network looks like is nothing for clients.
"""

from __future__ import annotations

import os
import ssl

import aiohttp

from gateway.apimachinery.errors import ApiError
from gateway.clusters.connections import CONNECT_TIMEOUT, AddressRefused


class UpstreamError(ApiError):
    """An API server that could not be asked or did not answer: 503, 504, or 502 for an answer nobody may act on.

    `unanswered`: the request may have reached it and no whole answer came back; of a write nobody knows whether it was
    applied.
    """

    def __init__(self, code: int, reason: str, message: str, *, unanswered: bool) -> None:
        """Build from the Status' parts."""
        super().__init__(code, reason, message)
        self.unanswered = unanswered


class AnswerTooLarge(UpstreamError):
    """An answer of more bytes than are read: 502."""

    def __init__(self, message: str) -> None:
        super().__init__(502, "BadGateway", message, unanswered=True)


def failed(title: str, error: BaseException, *, unanswered: bool) -> UpstreamError:
    """Return what a failure of the connection is to a client; `title` is how messages call the server."""
    if isinstance(error, TimeoutError) and unanswered:
        return UpstreamError(504, "Timeout", f"Timeout: {title} did not answer in time", unanswered=True)
    text = f"{title} cannot be reached: {_explain(error)}"
    return UpstreamError(503, "ServiceUnavailable", text, unanswered=unanswered)


def without_credentials(title: str, why: Exception) -> UpstreamError:
    """Return the failure of a request for which there were no credentials."""
    return UpstreamError(503, "ServiceUnavailable", f"{title} cannot be reached: {why}", unanswered=False)


def refused_credentials(title: str) -> UpstreamError:
    """Return the failure of a request whose sender the server does not know.

    Not a 401: that would tell the client that *its* credentials are bad, and make it fetch new ones.
    """
    text = f"{title} refused our credentials (401 Unauthorized)"
    return UpstreamError(503, "ServiceUnavailable", text, unanswered=False)


def redirected(title: str, code: int) -> UpstreamError:
    """Return the failure of a request that the server would have sent elsewhere, with our credentials."""
    text = f"{title} tried to redirect the request ({code}), which is not permitted"
    return UpstreamError(502, "BadGateway", text, unanswered=False)


def _explain(error: BaseException) -> str:
    match error:
        case aiohttp.ConnectionTimeoutError() | TimeoutError():
            return f"no connection within {CONNECT_TIMEOUT:.0f}s"
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as reason):
            return f"its certificate is not trusted: {reason.verify_message}"
        case aiohttp.ClientConnectorDNSError():
            return "its host name cannot be resolved"
        case aiohttp.ClientSSLError():
            return "the TLS handshake failed"
        case aiohttp.ClientConnectorError(os_error=AddressRefused() as refusal):
            return str(refusal)
        case aiohttp.ClientConnectorError(os_error=reason):
            return os.strerror(reason.errno).lower() if reason.errno else "no connection"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was closed"
        case _:
            return "the connection failed"
