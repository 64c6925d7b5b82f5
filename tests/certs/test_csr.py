from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.csr import parse_signing_request
from certs.errors import CertsError
from certs.profiles import Subject
from tests.certs.forge import Key, name


def request(subject: x509.Name, key: Key | None = None, extension: x509.ExtensionType | None = None) -> bytes:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


def test_a_request_yields_its_subject_and_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    parsed = parse_signing_request(request(name("alice", groups=("developers",), uids=("1",)), key))
    assert parsed.subject == Subject("alice", ("developers",), "1")
    assert parsed.public_key == key.public_key()


def test_what_a_request_wants_to_be_allowed_is_not_looked_at() -> None:
    wish = x509.BasicConstraints(ca=True, path_length=None)
    assert parse_signing_request(request(name("alice"), extension=wish)).subject == Subject("alice")


def test_a_request_signed_by_another_key_is_refused() -> None:
    pem = request(name("alice"))
    der = bytearray(x509.load_pem_x509_csr(pem).public_bytes(serialization.Encoding.DER))
    at = der.index(b"alice")
    der[at : at + 5] = b"admin"
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertsError, match="not signed by the key it names"):
        parse_signing_request(forged)


@pytest.mark.parametrize(
    ("pem", "words"),
    [
        (b"", "cannot be read"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "cannot be read"),
        (b"x" * 70_000, "larger than"),
        (request(name("alice", "admin")), "2 common names"),
        (request(name("alice"), rsa.generate_private_key(65537, 2048)), "at least 3072"),
    ],
)
def test_odd_requests_are_refused_in_words(pem: bytes, words: str) -> None:
    with pytest.raises(CertsError, match=words):
        parse_signing_request(pem)
