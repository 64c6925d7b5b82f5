"""The certificates of one control plane, made by `cryptography` alone: the gateway's own code is what is tested."""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.key_usage import key_usage

LIFETIME = datetime.timedelta(days=7)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key as PEM, and as two files for the programs that want files."""

    certificate: bytes
    key: bytes
    certificate_file: Path
    key_file: Path


class CertificateAuthority:
    """A self-signed authority that keeps all it issues in one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """Make its key and certificate: `<name>.crt` and `<name>.key` in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            _builder(subject, subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(key_cert_sign=True, crl_sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        pair = self._write(name, self._certificate, self._key)
        self.certificate_file = pair.certificate_file
        self.key_file = pair.key_file

    @property
    def certificate(self) -> bytes:
        """Its certificate, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue_client(self, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A client certificate as Kubernetes reads it: the user is the common name, the groups are organizations."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        return self._issue(user, x509.Name(names), ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def issue_loopback_server(self, name: str) -> KeyPair:
        """A serving certificate for 127.0.0.1 and localhost."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        return self._issue(name, subject, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def _issue(
        self, name: str, subject: x509.Name, usage: x509.ObjectIdentifier, alternatives: Sequence[x509.GeneralName]
    ) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            # Who verifies strictly, as Python 3.13 does by default, asks for it.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return self._write(name, builder.sign(self._key, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
        stem = "".join(character if character.isalnum() or character in "-." else "_" for character in name)
        pair = KeyPair(
            certificate=certificate.public_bytes(serialization.Encoding.PEM),
            key=_private_pem(key),
            certificate_file=self._folder / f"{stem}.crt",
            key_file=self._folder / f"{stem}.key",
        )
        pair.certificate_file.write_bytes(pair.certificate)
        pair.key_file.write_bytes(pair.key)
        pair.key_file.chmod(0o600)
        return pair


def write_service_account_key(path: Path) -> None:
    """Make the key that signs service account tokens; kube-apiserver takes the private key for both purposes."""
    path.write_bytes(_private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # An hour back, for a clock that is behind.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
