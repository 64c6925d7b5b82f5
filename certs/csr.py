"""Certificate signing requests (PKCS#10): proof that the sender holds a key, and whom it asks to be (pure).

Neighbours: `authority` signs the key found here. Extensions a request asks for are never looked at: what a certificate
contains is decided by `profiles` alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from certs.errors import CertsError
from certs.profiles import Subject, key_problem, read_subject

_SIZE_LIMIT = 64 * 1024
_RSA_BITS = 3072


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A request whose signature proves possession of the key."""

    subject: Subject
    public_key: CertificatePublicKeyTypes


def parse_signing_request(pem: bytes) -> SigningRequest:
    """Read and check a PEM encoded request.

    Raises:
        CertsError: it is not a request, its signature is not by its key, its key is weak, or its subject is ambiguous.
    """
    if len(pem) > _SIZE_LIMIT:
        raise CertsError(f"the certificate signing request is larger than {_SIZE_LIMIT} bytes")
    try:
        request = x509.load_pem_x509_csr(pem)
        genuine = request.is_signature_valid
        key = request.public_key()
        subject = read_subject(request.subject)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertsError(f"the certificate signing request cannot be read: {error}") from error
    if not genuine:
        raise CertsError("the certificate signing request is not signed by the key it names")
    problem = key_problem(key, rsa_bits=_RSA_BITS)
    if problem is not None:
        raise CertsError(f"the certificate signing request is refused: {problem}")
    return SigningRequest(subject, key)
