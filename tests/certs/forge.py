"""Certificates of any shape, signed by any key: what an attacker or a careless operator could present."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certs.profiles import UID_OID

NOW = 1_800_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)
CLIENT_AUTH = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER_AUTH = (ExtendedKeyUsageOID.SERVER_AUTH,)

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Key = SigningKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class ForgedAuthority:
    certificate: x509.Certificate
    key: SigningKey


def name(*users: str, groups: tuple[str, ...] = (), uids: tuple[str, ...] = ()) -> x509.Name:
    """A subject without the checks of the library: it may be empty, long, doubled or carry control characters."""
    attributes = [(NameOID.ORGANIZATION_NAME, group) for group in groups]
    attributes += [(NameOID.COMMON_NAME, user) for user in users]
    attributes += [(UID_OID, uid) for uid in uids]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(oid, value, _validate=0 < len(value) <= 64) for oid, value in attributes])


def authority(
    common_name: str = "forged-ca", *, not_after: datetime = MOMENT + timedelta(days=100), key: SigningKey | None = None
) -> ForgedAuthority:
    key = key or ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(MOMENT - timedelta(days=100))
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return ForgedAuthority(certificate, key)


def leaf(
    issuer: ForgedAuthority,
    subject: x509.Name,
    *,
    key: Key | None = None,
    usages: tuple[ObjectIdentifier, ...] = CLIENT_AUTH,
    not_before: datetime = MOMENT - timedelta(hours=1),
    not_after: datetime = MOMENT + timedelta(hours=1),
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    serial: int | None = None,
) -> x509.Certificate:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
