"""What each kind of certificate may contain, decided in four steps: validate, modify, validate, enforce (pure).

Neighbours: `authority` signs what `plan` returns; `verification` asks `subject_problem` again when a certificate is
used, so that a certificate signed outside these rules names nobody. Nothing here reads a clock, a file or a key.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from certs.errors import CertsError

UID_OID = ObjectIdentifier("1.3.6.1.4.1.57683.2")
"""Where Kubernetes looks for a user's UID in a Subject (feature AllowParsingUserUIDFromCertAuth)."""

BACKDATE = timedelta(minutes=5)
"""How far the start of validity lies in the past, for peers whose clock is behind."""

_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SYSTEM_PREFIX = "system:"
_NAME_LIMIT = 64  # ub-common-name and ub-organization-name of RFC 5280
_DNS_NAME = re.compile(
    r"(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE
)
_DNS_NAME_LIMIT = 253


@dataclass(frozen=True, slots=True)
class CertificateProfile:
    """One kind of certificate.

    Attributes:
        name: the word for it in the index and in messages.
        usages: its extended key usages, exactly these.
        max_ttl: the longest life that may be asked for.
        is_authority: it signs others.
        has_groups: its Subject may carry groups and a UID.
        has_names: it carries DNS names and addresses, at least one; otherwise none.
    """

    name: str
    usages: tuple[ObjectIdentifier, ...]
    max_ttl: timedelta
    is_authority: bool = False
    has_groups: bool = False
    has_names: bool = False


CLIENT = CertificateProfile("client", (ExtendedKeyUsageOID.CLIENT_AUTH,), max_ttl=timedelta(days=30), has_groups=True)
"""A person or a program that calls the gateway. The cap bounds the damage of a lost key that nobody reports."""

SERVING = CertificateProfile("serving", (ExtendedKeyUsageOID.SERVER_AUTH,), max_ttl=timedelta(days=90), has_names=True)
"""The gateway's own HTTPS listener."""

FRONT_PROXY = CertificateProfile("front-proxy", (ExtendedKeyUsageOID.CLIENT_AUTH,), max_ttl=timedelta(days=90))
"""The gateway as a client of a member that trusts this authority for request headers: a name and nothing more."""

AUTHORITY = CertificateProfile("authority", (), max_ttl=timedelta(days=3650), is_authority=True)
"""The certificate authority itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a certificate names: CN is the user, every O a group, UID_OID the user's UID."""

    user: str
    groups: tuple[str, ...] = ()
    uid: str | None = None

    def to_name(self) -> x509.Name:
        """Return the Subject field, groups before the user as is customary."""
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in self.groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, self.user))
        if self.uid is not None:
            attributes.append(x509.NameAttribute(UID_OID, self.uid))
        return x509.Name(attributes)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What somebody asks for: a subject, a life, and for a serving certificate its DNS names and addresses."""

    subject: Subject
    ttl: timedelta
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateTemplate:
    """What will be signed, complete but for the key, the serial number and the issuer."""

    profile: CertificateProfile
    subject: Subject
    names: tuple[x509.GeneralName, ...]
    not_before: datetime
    not_after: datetime


def plan(
    profile: CertificateProfile,
    request: CertificateRequest,
    *,
    now: datetime,
    issuer_not_after: datetime | None,
) -> CertificateTemplate:
    """Turn a request into what may be signed.

    Args:
        profile: the kind of certificate.
        request: what is asked for.
        now: the time of signing.
        issuer_not_after: the end of the signing authority, which nothing it signs outlives; None for the authority.

    Raises:
        CertsError: the request is refused; the text says why and what would be accepted.
    """
    _validate_request(profile, request)
    template = _fill(profile, request, now)
    _validate_template(template)
    return _enforce(template, now, issuer_not_after)


def subject_problem(subject: Subject) -> str | None:
    """Say why a subject must not be issued or accepted, or None when nothing speaks against it."""
    named = [("user", subject.user), *(("group", group) for group in subject.groups)]
    if subject.uid is not None:
        named.append(("UID", subject.uid))
    for role, value in named:
        problem = _text_problem(value)
        if problem is None and role != "UID" and value.startswith(_SYSTEM_PREFIX):
            # Above all system:masters, the group that no authorizer can refuse.
            problem = f"is reserved for Kubernetes itself (prefix {_SYSTEM_PREFIX!r})"
        if problem is not None:
            return f"the {role} {value!r} {problem}"
    return None


def read_subject(name: x509.Name) -> Subject:
    """Return whom a Subject field names; attributes without a meaning in Kubernetes are left out.

    Raises:
        ValueError: it names several users or several UIDs, so that two readers could see two different people.
    """
    users = [_text(attribute) for attribute in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    uids = [_text(attribute) for attribute in name.get_attributes_for_oid(UID_OID)]
    groups = [_text(attribute) for attribute in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    if len(users) > 1:
        raise ValueError(f"the subject has {len(users)} common names")
    if len(uids) > 1:
        raise ValueError(f"the subject has {len(uids)} UIDs")
    return Subject(users[0] if users else "", tuple(dict.fromkeys(groups)), uids[0] if uids else None)


def key_problem(key: object, *, rsa_bits: int) -> str | None:
    """Say why a public key is too weak or of no known kind, or None; `rsa_bits` is the least an RSA key may have."""
    match key:
        case rsa.RSAPublicKey() if key.key_size < rsa_bits:
            return f"the RSA key has {key.key_size} bits, at least {rsa_bits} are needed"
        case ec.EllipticCurvePublicKey() if not isinstance(key.curve, _CURVES):
            return f"the elliptic curve {key.curve.name} is not accepted; use P-256"
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey():
            return None
        case _:
            return "the key is neither ECDSA, RSA nor Ed25519"


def extensions(template: CertificateTemplate) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """Return the extensions a certificate of this template carries, each with whether it is critical."""
    profile = template.profile
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=profile.is_authority, path_length=0 if profile.is_authority else None), True),
        (_key_usage(signs_certificates=profile.is_authority), True),
    ]
    if profile.usages:
        found.append((x509.ExtendedKeyUsage(profile.usages), False))
    if template.names:
        found.append((x509.SubjectAlternativeName(template.names), False))
    return tuple(found)


def _validate_request(profile: CertificateProfile, request: CertificateRequest) -> None:
    problem = subject_problem(request.subject)
    if problem is not None:
        raise CertsError(f"no certificate was issued: {problem}; choose another name")
    if request.ttl <= timedelta(0):
        raise CertsError("no certificate was issued: its life must be longer than zero, for example 12h")
    if request.ttl > profile.max_ttl:
        raise CertsError(
            f"no certificate was issued: a {profile.name} certificate lives {_hours(profile.max_ttl)} at most, "
            f"{_hours(request.ttl)} were asked for; issue a shorter one and renew it"
        )


def _fill(profile: CertificateProfile, request: CertificateRequest, now: datetime) -> CertificateTemplate:
    return CertificateTemplate(
        profile=profile,
        subject=replace(request.subject, groups=tuple(dict.fromkeys(request.subject.groups))),
        names=tuple(general_name(name) for name in dict.fromkeys(request.names)),
        # X.509 counts whole seconds; rounding here keeps the index and the certificate in agreement.
        not_before=(now - BACKDATE).replace(microsecond=0),
        not_after=(now + request.ttl).replace(microsecond=0),
    )


def _validate_template(template: CertificateTemplate) -> None:
    profile, subject = template.profile, template.subject
    if not profile.has_groups and (subject.groups or subject.uid is not None):
        raise CertsError(f"no certificate was issued: a {profile.name} certificate carries no groups and no UID")
    if profile.has_names != bool(template.names):
        wants = "at least one DNS name or address" if profile.has_names else "no DNS names or addresses"
        raise CertsError(f"no certificate was issued: a {profile.name} certificate carries {wants}")


def _enforce(template: CertificateTemplate, now: datetime, issuer_not_after: datetime | None) -> CertificateTemplate:
    """Hold what no request and no profile can change: nothing outlives the authority that signed it."""
    if issuer_not_after is None or template.not_after <= issuer_not_after:
        return template
    if issuer_not_after <= now:
        raise CertsError(
            f"no certificate was issued: the certificate authority itself ended at {issuer_not_after:%Y-%m-%d %H:%M} "
            "UTC; move the pki directory away and run: fleetgate certs init"
        )
    return replace(template, not_after=issuer_not_after)


def _text(attribute: x509.NameAttribute[str | bytes]) -> str:
    if isinstance(attribute.value, bytes):
        raise ValueError(f"the subject attribute {attribute.oid.dotted_string} is not text")
    return attribute.value


def _text_problem(value: str) -> str | None:
    if not value:
        return "is empty"
    if len(value) > _NAME_LIMIT:
        return f"is longer than {_NAME_LIMIT} characters, the limit of X.509 names"
    if not value.isprintable() or value != value.strip():
        return "contains control characters, or begins or ends with a space"
    return None


def general_name(name: str) -> x509.DNSName | x509.IPAddress:
    """Return a DNS name or an address as X.509 writes it; raises CertsError when it is neither."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) > _DNS_NAME_LIMIT or not _DNS_NAME.fullmatch(name):
        raise CertsError(f"no certificate was issued: {name!r} is neither a DNS name nor an IP address")
    return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _hours(duration: timedelta) -> str:
    return f"{duration / timedelta(hours=1):g}h"
