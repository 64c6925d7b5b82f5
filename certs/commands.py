"""What a person (or the server at its start) does with certificates: init, issue, list, revoke, keep one fresh.

Neighbours: `gateway/cli_certs.py` turns these into commands. Plain functions over a data directory: they return values,
print nothing, and raise CertsError with what to do next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from certs import kubeconfig
from certs.authority import Authority, key_to_pem, load_authority, new_key, open_authority
from certs.csr import parse_signing_request
from certs.errors import CertsError
from certs.index import IssuedIndex, IssuedRecord
from certs.keystore import PkiDirectory, read_public, write_atomically
from certs.kubeconfig import Credentials
from certs.profiles import CLIENT, CertificateRequest, Subject
from certs.revocation import Revocation, parse_serial, read_revocations, revoke, serial_text
from certs.rotation import renewal_time
from certs.trust import own_bundle

DEFAULT_TTL = timedelta(hours=12)
"""How long a client certificate lives when nobody says otherwise: a working day."""

DEFAULT_SERVER = "https://127.0.0.1:6443"
"""Where a kubeconfig points when no server has written its address yet."""

_SERVER_URL_FILE = "server-url"


class CertificateState(StrEnum):
    """Where an issued certificate stands, as `fleetgate certs list` shows it."""

    VALID = "Valid"
    EXPIRED = "Expired"
    REVOKED = "Revoked"


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A client certificate of the index with its state; `revocation` is set when it was revoked."""

    record: IssuedRecord
    state: CertificateState
    revocation: Revocation | None


@dataclass(frozen=True, slots=True)
class CertificateListing:
    """All client certificates, oldest first, and the numbers of index lines that cannot be read."""

    certificates: tuple[ListedCertificate, ...]
    damaged_lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """A client certificate with its fresh key, ready for a kubeconfig."""

    record: IssuedRecord
    credentials: Credentials


def init(data_dir: Path, *, now: Callable[[], float]) -> tuple[Authority, bool]:
    """Return the authority of a data directory, creating it when there is none, and whether it was created now."""
    return open_authority(PkiDirectory.under(data_dir), now=now)


def issue(
    data_dir: Path, subject: Subject, ttl: timedelta, *, server: str, now: Callable[[], float]
) -> IssuedCredentials:
    """Make a key and sign a client certificate for it. The key is nowhere but in the result.

    Raises:
        CertsError: there is no authority yet, or the subject or the life is refused.
    """
    pki = PkiDirectory.under(data_dir)
    key = new_key()
    issued = load_authority(pki, now=now).issue(CLIENT, CertificateRequest(subject, ttl), key.public_key())
    credentials = Credentials(subject.user, server, own_bundle(pki), issued.pem, key_to_pem(key))
    return IssuedCredentials(issued.record, credentials)


def sign(data_dir: Path, request_pem: bytes, subject: Subject, ttl: timedelta, *, now: Callable[[], float]) -> bytes:
    """Sign a client certificate for a key that its owner kept, and return it as PEM.

    Raises:
        CertsError: the request is refused, or it asks for another user, UID or more groups than `subject` has.
    """
    request = parse_signing_request(request_pem)
    asked = request.subject
    if asked.user not in ("", subject.user) or asked.uid not in (None, subject.uid):
        raise CertsError(
            f"the certificate signing request is for user {asked.user!r}, not for {subject.user!r}; make them agree"
        )
    unasked = sorted(set(asked.groups) - set(subject.groups))
    if unasked:
        raise CertsError(
            f"the certificate signing request asks for the groups {', '.join(unasked)}; "
            "grant them with --group, or have the request made without them"
        )
    authority = load_authority(PkiDirectory.under(data_dir), now=now)
    return authority.issue(CLIENT, CertificateRequest(subject, ttl), request.public_key).pem


def list_certificates(data_dir: Path, *, now: Callable[[], float]) -> CertificateListing:
    """Return all client certificates ever issued with their state.

    Raises:
        CertsError: there is no authority yet, or its files cannot be read.
    """
    pki = PkiDirectory.under(data_dir)
    pki.require_authority()
    content = IssuedIndex(pki).read()
    revocations = read_revocations(pki)
    moment = datetime.fromtimestamp(now(), UTC)
    listed = [
        _listed(record, revocations.get(record.serial), moment)
        for record in content.records
        if record.profile == CLIENT.name
    ]
    return CertificateListing(tuple(listed), content.damaged_lines)


def revoke_certificate(
    data_dir: Path, serial: str, *, reason: str, now: Callable[[], float]
) -> tuple[IssuedRecord, Revocation]:
    """Revoke a client certificate; the gateway refuses it from the next request on.

    Returns:
        The certificate, and the revocation that stands (the earlier one when it was revoked before).

    Raises:
        CertsError: no such certificate was issued here, or the revocation could not be made durable.
    """
    wanted = parse_serial(serial)
    pki = PkiDirectory.under(data_dir)
    pki.require_authority()
    record = next((each for each in IssuedIndex(pki).read().records if each.serial == wanted), None)
    if record is None or record.profile != CLIENT.name:
        raise CertsError(f"no client certificate {serial} was issued here; see: fleetgate certs list")
    moment = datetime.fromtimestamp(now(), UTC).replace(microsecond=0)
    return record, revoke(pki, wanted, Revocation(moment, reason))


def refresh_kubeconfig(data_dir: Path, path: Path, subject: Subject, *, server: str, now: Callable[[], float]) -> bool:
    """Write a kubeconfig when it is absent, due for renewal or points elsewhere, and say whether it was written.

    A kubeconfig whose certificate was revoked is left as it is, because that was somebody's decision.

    Raises:
        CertsError: there is no authority yet, or the file is not one of ours.
    """
    pki = PkiDirectory.under(data_dir)
    if path.exists() and not _is_due(pki, kubeconfig.read(path), server, datetime.fromtimestamp(now(), UTC)):
        return False
    issued = issue(data_dir, subject, DEFAULT_TTL, server=server, now=now)
    kubeconfig.write(path, issued.credentials)
    return True


def write_server_url(data_dir: Path, url: str) -> None:
    """Remember where the gateway listens, for the kubeconfigs written from now on."""
    write_atomically(data_dir / _SERVER_URL_FILE, f"{url}\n".encode(), mode=0o644)


def server_url(data_dir: Path) -> str | None:
    """Return where the gateway of a data directory listens, or None when it never started."""
    path = data_dir / _SERVER_URL_FILE
    return read_public(path).decode().strip() if path.exists() else None


def _is_due(pki: PkiDirectory, credentials: Credentials, server: str, now: datetime) -> bool:
    certificate = kubeconfig.certificate_of(credentials)
    if serial_text(certificate.serial_number) in read_revocations(pki):
        return False
    due = renewal_time(certificate.not_valid_before_utc, certificate.not_valid_after_utc, jitter=0)
    return now >= due or credentials.server != server or credentials.ca_bundle != own_bundle(pki)


def _listed(record: IssuedRecord, revocation: Revocation | None, now: datetime) -> ListedCertificate:
    if revocation is not None:
        return ListedCertificate(record, CertificateState.REVOKED, revocation)
    state = CertificateState.EXPIRED if record.not_after < now else CertificateState.VALID
    return ListedCertificate(record, state, None)
