"""The listener's side of TLS: its certificate, renewed at two thirds of its life, and the context that presents it.

Neighbours: `authority` signs the certificate, `trust` supplies the authorities offered to clients; the gateway's server
listens with `ServingContext.context` and calls `refresh` now and then. Connections already open are not touched.

Handshakes are no access control. A client without a certificate may come in, a certificate past its time as well (the
answer is then 401, as a kube-apiserver gives, and not a broken connection), and resumed sessions skip the checks of a
handshake; `verification` judges every request. That is why session tickets may stay on.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from certs.authority import Authority, key_to_pem, new_key
from certs.errors import CertsError
from certs.keystore import PkiDirectory, read_private, write_atomically
from certs.profiles import SERVING, CertificateRequest, Subject, general_name
from certs.rotation import renewal_time
from certs.trust import TrustStore
from certs.verification import TrustedAuthorities

_SUBJECT = Subject("fleetgate")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL; the ssl module has no name for it


def serving_names(listen_host: str, hostname: str, configured: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the DNS names and addresses the serving certificate is for, each once.

    Args:
        listen_host: where the listener is bound; left out when it is the unspecified address, which names nobody.
        hostname: the machine's own name; left out when it is no DNS name.
        configured: the names clients use that the machine cannot know; taken as they are, so that a wrong one is told.
    """
    found = [name for name in (listen_host, hostname) if _can_be_certified(name)]
    return tuple(dict.fromkeys([*_LOOPBACK, *found, *configured]))


class ServingContext:
    """Owns the TLS context of the HTTPS listener and swaps what is behind it.

    Args:
        pki: where the serving key and certificate are kept.
        authority: signs the serving certificate.
        trust: the authorities whose client certificates are asked for.
        names: what `serving_names` returned.
        now: seconds since the epoch.
        jitter: from 0 to 1, spreads the renewals of several gateways.

    Raises:
        CertsError: no serving certificate could be made.
    """

    def __init__(
        self,
        pki: PkiDirectory,
        authority: Authority,
        trust: TrustStore,
        names: tuple[str, ...],
        *,
        now: Callable[[], float],
        jitter: float = 0.0,
    ) -> None:
        self._pki = pki
        self._authority = authority
        self._trust = trust
        self._names = names
        self._now = now
        self._jitter = jitter
        # The mutable state, replaced by refresh() alone: what is presented, and to clients of which authorities.
        self._certificate = self._current_certificate()
        self._trusted = trust.current()
        self._live = _new_context(pki, self._trusted)
        self.context = _new_context(pki, self._trusted)
        """What the listener is started with. Each handshake is handed over to the newest context behind it."""
        self.context.sni_callback = self._use_live_context

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate presented to new connections."""
        return self._certificate

    def refresh(self) -> bool:
        """Renew the certificate when it is due and follow the trusted authorities; say whether anything changed.

        Raises:
            CertsError: it could not be done; new connections go on with what there was.
        """
        certificate = self._current_certificate()
        trusted = self._trust.current()
        if certificate == self._certificate and trusted is self._trusted:
            return False
        self._live = _new_context(self._pki, trusted)
        self._certificate, self._trusted = certificate, trusted
        return True

    def _use_live_context(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._live

    def _current_certificate(self) -> x509.Certificate:
        """Return the kept certificate while it is good, else a new one that was put in its place."""
        kept = self._kept_certificate()
        if kept is not None and self._is_good(kept):
            return kept
        key = new_key()
        request = CertificateRequest(_SUBJECT, SERVING.max_ttl, self._names)
        issued = self._authority.issue(SERVING, request, key.public_key())
        write_atomically(self._pki.serving, key_to_pem(key) + issued.pem)
        return issued.certificate

    def _kept_certificate(self) -> x509.Certificate | None:
        if not self._pki.serving.exists():
            return None
        pem = read_private(self._pki.serving)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            return None
        return certificate if certificate.public_key() == key.public_key() else None

    def _is_good(self, certificate: x509.Certificate) -> bool:
        try:
            certificate.verify_directly_issued_by(self._authority.certificate)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        start = certificate.not_valid_before_utc
        due = renewal_time(start, certificate.not_valid_after_utc, self._jitter)
        wanted = {general_name(name) for name in self._names}
        return start <= datetime.fromtimestamp(self._now(), UTC) < due and set(names) == wanted


def _new_context(pki: PkiDirectory, trusted: TrustedAuthorities) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    # All that is offered is good. The client knows what is fast for it, and AES-128, which clients in Go and a
    # kube-apiserver prefer, is so for both sides.
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    # Not two: making one reads the client's certificate once more, an eighth of a handshake, and few clients use any.
    context.num_tickets = 1
    try:
        context.load_cert_chain(pki.serving)
        for authority in trusted.certificates:
            context.load_verify_locations(cadata=authority.public_bytes(serialization.Encoding.DER))
    except (OSError, ssl.SSLError) as error:
        raise CertsError(f"the serving certificate {pki.serving} cannot be used: {error}") from error
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    return context


def _can_be_certified(name: str) -> bool:
    try:
        address = general_name(name).value
    except CertsError:
        return False
    return not (isinstance(address, IPv4Address | IPv6Address) and address.is_unspecified)
