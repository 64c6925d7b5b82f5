"""What the authority issues satisfies OpenSSL's strict verification, the default of Python 3.13 and its clients."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from certs.authority import Authority, key_to_pem, load_authority, new_key
from certs.keystore import PkiDirectory, write_atomically
from certs.profiles import CLIENT, FRONT_PROXY, SERVING, CertificateProfile, CertificateRequest, Subject
from tests.certs.conftest import Clock
from tests.certs.forge import pem

_STRICT_AT_ANY_TIME = ssl.VERIFY_X509_STRICT | ssl.VerifyFlags(0x200000)  # NO_CHECK_TIME: the clock here is injected


def offered(authority: Authority, profile: CertificateProfile, folder: Path) -> Path:
    """A file with a new certificate of that profile and its key."""
    key = new_key()
    names = ("localhost",) if profile.has_names else ()
    request = CertificateRequest(Subject("fleetgate"), timedelta(hours=1), names)
    file = folder / f"{profile.name}.pem"
    write_atomically(file, key_to_pem(key) + authority.issue(profile, request, key.public_key()).pem)
    return file


def strict(purpose: ssl.Purpose, authority: Authority, own: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(purpose, cadata=authority.pem.decode())
    context.verify_flags |= _STRICT_AT_ANY_TIME
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(own)
    return context


def shake_hands(at_server: ssl.SSLContext, at_client: ssl.SSLContext) -> bytes | None:
    """Let them agree; return the client's certificate as the server has it. Raises ssl.SSLError if they do not."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = at_server.wrap_bio(to_server, to_client, server_side=True)
    client = at_client.wrap_bio(to_client, to_server, server_hostname="localhost")
    waiting = [client, server]
    for _ in range(10):
        for side in tuple(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not waiting
    return server.getpeercert(binary_form=True)


def operators_authority(made_here: Authority, pki: PkiDirectory, clock: Clock) -> Authority:
    """One made by another program, which has its own way to name a key (Go: the half of a SHA-256)."""
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(made_here.certificate.subject)
        .issuer_name(made_here.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(made_here.certificate.not_valid_before_utc)
        .not_valid_after(made_here.certificate.not_valid_after_utc)
    )
    for extension in made_here.certificate.extensions:
        named = isinstance(extension.value, x509.SubjectKeyIdentifier)
        value = x509.SubjectKeyIdentifier(b"named by another") if named else extension.value
        builder = builder.add_extension(value, extension.critical)
    write_atomically(pki.ca_key, key_to_pem(key))
    write_atomically(pki.ca_certificate, pem(builder.sign(key, hashes.SHA256())))
    return load_authority(pki, now=clock)


@pytest.mark.parametrize("profile", [CLIENT, FRONT_PROXY], ids=lambda profile: profile.name)
@pytest.mark.parametrize("made_by", ["fleetgate", "the operator"])
def test_both_sides_of_a_connection_may_verify_strictly(
    authority: Authority, pki: PkiDirectory, clock: Clock, profile: CertificateProfile, made_by: str
) -> None:
    if made_by == "the operator":
        authority = operators_authority(authority, pki, clock)
    own = offered(authority, profile, pki.root)
    server = strict(ssl.Purpose.CLIENT_AUTH, authority, offered(authority, SERVING, pki.root))
    seen = shake_hands(server, strict(ssl.Purpose.SERVER_AUTH, authority, own))
    assert seen == x509.load_pem_x509_certificate(own.read_bytes()).public_bytes(Encoding.DER)
