"""Which authorities' client certificates are accepted: our own, those of a rotation, and those the operator adds.

Neighbours: `verification` asks on every request, `serving` offers the same set in the handshake, `kubeconfig` embeds
the authorities that sign for the gateway itself. A file that cannot be read after the start changes nothing: the last
good set stays, and `failure` says why.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from certs.errors import CertsError
from certs.keystore import FileStamp, PkiDirectory, file_stamp, read_public
from certs.verification import TrustedAuthorities


class TrustStore:
    """The accepted authorities, read again whenever one of their files changes.

    Args:
        pki: the gateway's own authority, and the bundle of a rotation if there is one.
        client_ca_files: PEM bundles of further authorities for client certificates.
        notice_within: seconds for which what was read is believed without looking at the files.
        clock: monotonic seconds.

    Raises:
        CertsError: a file cannot be read now (later failures are kept in `failure`).
    """

    def __init__(
        self,
        pki: PkiDirectory,
        client_ca_files: Sequence[Path] = (),
        *,
        notice_within: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = (pki.ca_certificate, pki.trusted, *client_ca_files)
        self._optional = pki.trusted
        self._notice_within = notice_within
        self._clock = clock
        self._looked_at = clock()
        # The mutable state, replaced by current() alone.
        self._snapshot = self._read(self._stamps())
        self.failure: CertsError | None = None

    def current(self) -> TrustedAuthorities:
        """Return the authorities accepted at this moment; the same object as before while no file changes."""
        moment = self._clock()
        if moment - self._looked_at < self._notice_within:
            return self._snapshot.trusted
        self._looked_at = moment
        stamps = self._stamps()
        if stamps != self._snapshot.stamps:
            try:
                self._snapshot = self._read(stamps)
                self.failure = None
            except CertsError as error:
                self._snapshot = _Snapshot(stamps, self._snapshot.trusted)
                self.failure = error
        return self._snapshot.trusted

    def _stamps(self) -> tuple[FileStamp | None, ...]:
        return tuple([file_stamp(path) for path in self._files])

    def _read(self, stamps: tuple[FileStamp | None, ...]) -> _Snapshot:
        files = [path for path in self._files if path != self._optional or path.exists()]
        authorities = [each for path in files for each in authorities_in(read_public(path), path)]
        return _Snapshot(stamps, TrustedAuthorities(tuple(authorities)))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    stamps: tuple[FileStamp | None, ...]
    trusted: TrustedAuthorities


def own_bundle(pki: PkiDirectory) -> bytes:
    """Return the PEM bundle of the authorities that sign for the gateway: the present one, and those of a rotation.

    Raises:
        CertsError: a file cannot be read.
    """
    bundle = read_public(pki.ca_certificate)
    if pki.trusted.exists():
        bundle += read_public(pki.trusted)
    return bundle


def authorities_in(pem: bytes, origin: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificate authorities in a PEM bundle; `origin` is named in errors.

    Raises:
        CertsError: there is none, or a certificate in it is not that of an authority.
    """
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise CertsError(f"{origin} is not a bundle of PEM certificates: {error}") from error
    for certificate in certificates:
        if not _is_authority(certificate):
            name = certificate.subject.rfc4514_string()
            raise CertsError(f"{origin} holds {name!r}, which is not a certificate authority; remove it from the file")
    return certificates


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False
