"""Client certificates: the peer's certificate, judged anew for every request.

Keep-alive connections and resumed TLS sessions outlive a revocation; a judgement per request does not.
Follows k8s.io/apiserver `authentication/request/x509` for names, groups, uid and credential-id.
"""

from __future__ import annotations

import logging
import ssl
from weakref import WeakKeyDictionary

from aiohttp import web

from certs.verification import CertificateIdentity, CertificateRefusal, ClientCertificateVerifier
from gateway.apimachinery.errors import unauthorized
from gateway.listener import AdoptedConnection
from gateway.request import UserInfo

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_KNOWN_USERS = 4096
_presented: WeakKeyDictionary[ssl.SSLObject, bytes] = WeakKeyDictionary()
"""By connection: none presents another one later, for the serving context allows no renegotiation."""

logger = logging.getLogger("gateway.authentication")


def peer_certificate(request: web.BaseRequest) -> bytes | None:
    """Return the certificate (DER) that the client presented on this connection, if any."""
    protocol = request.protocol
    if isinstance(protocol, AdoptedConnection):
        return protocol.client.certificate
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(tls, ssl.SSLObject):
        return None
    certificate = _presented.get(tls)
    if certificate is None and (certificate := tls.getpeercert(binary_form=True)):
        _presented[tls] = certificate
    return certificate


class CertificateAuthenticator:
    """Knows whom client certificates name."""

    def __init__(self, verifier: ClientCertificateVerifier) -> None:
        """Take the verifier; it holds what is trusted and what is revoked."""
        self._verifier = verifier
        self._users: dict[str, tuple[CertificateIdentity, UserInfo]] = {}  # by fingerprint

    def authenticate(self, request: web.BaseRequest) -> UserInfo | None:
        """Return whom the certificate names, None without one. Raises ApiError 401 for one that names nobody."""
        certificate = peer_certificate(request)
        if certificate is None:
            return None
        identity = self._verifier.verify(certificate)
        if isinstance(identity, CertificateRefusal):
            logger.info("client certificate refused: %s: %s", identity.reason, identity.message)
            raise unauthorized()
        return self._user(identity)

    def _user(self, identity: CertificateIdentity) -> UserInfo:
        """The same for as long as the verifier gives the same identity: only what it judged is ever translated."""
        known = self._users.get(identity.fingerprint)
        if known is not None and known[0] is identity:
            return known[1]
        user = UserInfo(
            identity.user,
            uid=identity.uid or "",
            groups=identity.groups,
            extra={CREDENTIAL_ID: (identity.credential_id,)},
            credential_fingerprint=identity.fingerprint,
        )
        if len(self._users) >= _KNOWN_USERS:
            self._users.clear()
        self._users[identity.fingerprint] = (identity, user)
        return user
