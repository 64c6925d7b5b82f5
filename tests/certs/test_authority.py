from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519

from certs.authority import Authority, key_to_pem, load_authority, new_key, open_authority
from certs.errors import CertsError
from certs.index import IssuedIndex
from certs.keystore import PkiDirectory, write_atomically
from certs.profiles import BACKDATE, CLIENT, CertificateRequest, Subject
from certs.revocation import read_revocations, serial_text
from tests.certs.conftest import Clock
from tests.certs.forge import MOMENT, pem

HOUR = timedelta(hours=1)
ALICE = CertificateRequest(Subject("alice", ("developers",), "uid-1"), HOUR)


def test_a_new_authority_lies_in_private_files_with_nothing_revoked(authority: Authority, pki: PkiDirectory) -> None:
    assert pki.root.stat().st_mode & 0o777 == 0o700
    assert pki.ca_key.stat().st_mode & 0o777 == 0o600
    assert read_revocations(pki) == {}
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert constraints.ca
    authority.certificate.verify_directly_issued_by(authority.certificate)


def test_an_authority_is_found_again_and_not_replaced(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    again, created = open_authority(pki, now=clock)
    assert not created
    assert again.pem == authority.pem == pki.ca_certificate.read_bytes()


def test_those_who_create_it_at_the_same_time_agree(pki: PkiDirectory, clock: Clock) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_authority(pki, now=clock), range(8)))
    assert len({authority.pem for authority, _ in opened}) == 1
    assert [created for _, created in opened].count(True) == 1


def test_an_issued_certificate_says_what_was_asked_for(authority: Authority) -> None:
    key = new_key()
    certificate = authority.issue(CLIENT, ALICE, key.public_key()).certificate
    assert certificate.subject == ALICE.subject.to_name()
    assert certificate.public_key() == key.public_key()
    assert certificate.not_valid_before_utc == MOMENT - BACKDATE
    assert certificate.not_valid_after_utc == MOMENT + HOUR
    certificate.verify_directly_issued_by(authority.certificate)
    own = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    signer = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert own.key_identifier == signer.digest


def test_serial_numbers_are_random_and_long(authority: Authority) -> None:
    serials = [authority.issue(CLIENT, ALICE, new_key().public_key()).certificate.serial_number for _ in range(20)]
    assert len(set(serials)) == 20
    # 159 random bits: all twenty staying under 129 bits would be a broken generator.
    assert max(serial.bit_length() for serial in serials) > 128


def test_what_is_issued_is_in_the_index_before_it_is_handed_out(authority: Authority, pki: PkiDirectory) -> None:
    issued = authority.issue(CLIENT, ALICE, new_key().public_key())
    (record,) = IssuedIndex(pki).read().records
    assert record == issued.record
    assert record.serial == serial_text(issued.certificate.serial_number)
    assert record.fingerprint == issued.certificate.fingerprint(hashes.SHA256()).hex()
    assert record.not_after == issued.certificate.not_valid_after_utc
    assert (record.user, record.groups, record.uid, record.issued_at) == ("alice", ("developers",), "uid-1", MOMENT)


def test_nothing_is_issued_that_the_index_cannot_remember(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: IssuedIndex, _record: object) -> None:
        raise CertsError("no space")

    monkeypatch.setattr(IssuedIndex, "append", full)
    with pytest.raises(CertsError, match="no space"):
        authority.issue(CLIENT, ALICE, new_key().public_key())


def test_masters_are_never_issued_and_leave_no_trace(authority: Authority, pki: PkiDirectory) -> None:
    request = CertificateRequest(Subject("alice", ("system:masters",)), HOUR)
    with pytest.raises(CertsError, match="system:masters"):
        authority.issue(CLIENT, request, new_key().public_key())
    assert IssuedIndex(pki).read().records == ()


def test_an_authority_with_another_kind_of_key_signs_as_well(pki: PkiDirectory, clock: Clock) -> None:
    authority, _ = open_authority(pki, now=clock)
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(authority.certificate.subject)
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(MOMENT)
        .not_valid_after(MOMENT + HOUR)
        .sign(key, None)
    )
    write_atomically(pki.ca_key, key_to_pem(key))
    write_atomically(pki.ca_certificate, pem(certificate))
    issued = load_authority(pki, now=clock).issue(CLIENT, ALICE, new_key().public_key())
    issued.certificate.verify_directly_issued_by(certificate)


def test_a_key_without_its_certificate_is_not_written_over(
    authority: Authority, pki: PkiDirectory, clock: Clock
) -> None:
    key = pki.ca_key.read_bytes()
    pki.ca_certificate.unlink()
    with pytest.raises(CertsError, match=r"exists without ca\.crt; restore"):
        open_authority(pki, now=clock)
    assert pki.ca_key.read_bytes() == key


def test_a_pair_that_does_not_belong_together_is_refused(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    write_atomically(pki.ca_key, key_to_pem(new_key()))
    with pytest.raises(CertsError, match="is not the key of"):
        load_authority(pki, now=clock)


def test_a_key_open_to_others_is_refused(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    pki.ca_key.chmod(0o644)
    with pytest.raises(CertsError, match="chmod 600"):
        load_authority(pki, now=clock)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("ca.crt", b"nothing", "is not a PEM certificate"),
        ("ca.key", b"nothing", "is not an unencrypted PEM key"),
        ("ca.key", key_to_pem(dsa.generate_private_key(1024)), "neither an ECDSA"),  # type: ignore[arg-type]  # the wrong kind, on purpose
    ],
)
def test_damaged_files_are_named(
    authority: Authority, pki: PkiDirectory, clock: Clock, file: str, content: bytes, words: str
) -> None:
    write_atomically(pki.root / file, content)
    with pytest.raises(CertsError, match=f"{file} .*{words}|{file} is {words}"):
        load_authority(pki, now=clock)


def test_without_an_authority_the_command_that_makes_one_is_named(pki: PkiDirectory, clock: Clock) -> None:
    with pytest.raises(CertsError, match="fleetgate certs init"):
        load_authority(pki, now=clock)


def test_new_keys_are_p256() -> None:
    assert isinstance(new_key().curve, ec.SECP256R1)
