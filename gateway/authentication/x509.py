"""Client certificates: the peer's certificate, judged anew for every request.

Keep-alive connections and resumed TLS sessions outlive a revocation; a judgement per request does not (security 3.3).
Follows k8s.io/apiserver `authentication/request/x509` for names, groups, uid and credential-id.
"""

from __future__ import annotations

import logging
import ssl

from aiohttp import web

from certs.verification import CertificateRefusal, ClientCertificateVerifier
from gateway.apimachinery.errors import unauthorized
from gateway.request import UserInfo

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"

logger = logging.getLogger("gateway.authentication")


def peer_certificate(request: web.BaseRequest) -> bytes | None:
    """Return the certificate (DER) that the client presented on this connection, if any."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(tls, ssl.SSLObject):
        return None
    return tls.getpeercert(binary_form=True)


class CertificateAuthenticator:
    """Knows whom client certificates name."""

    def __init__(self, verifier: ClientCertificateVerifier) -> None:
        """Take the verifier; it holds what is trusted and what is revoked."""
        self._verifier = verifier

    def authenticate(self, request: web.BaseRequest) -> UserInfo | None:
        """Return whom the certificate names, None without one. Raises ApiError 401 for one that names nobody."""
        certificate = peer_certificate(request)
        if certificate is None:
            return None
        identity = self._verifier.verify(certificate)
        if isinstance(identity, CertificateRefusal):
            logger.info("client certificate refused: %s: %s", identity.reason, identity.message)
            raise unauthorized()
        return UserInfo(
            identity.user,
            uid=identity.uid or "",
            groups=identity.groups,
            extra={CREDENTIAL_ID: (identity.credential_id,)},
            credential_fingerprint=identity.fingerprint,
        )
