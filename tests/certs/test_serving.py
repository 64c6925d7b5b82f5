from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import Authority, key_to_pem, new_key, open_authority
from certs.errors import CertsError
from certs.keystore import PkiDirectory, write_atomically
from certs.profiles import SERVING, CertificateRequest, Subject, general_name
from certs.serving import ServingContext, serving_names
from certs.trust import TrustStore
from tests.certs.conftest import Clock
from tests.certs.forge import MOMENT, pem
from tests.certs.forge import authority as forge_authority

NAMES = ("localhost", "127.0.0.1", "::1")


def open_context(
    pki: PkiDirectory, authority: Authority, clock: Clock, names: tuple[str, ...] = NAMES
) -> ServingContext:
    return ServingContext(pki, authority, TrustStore(pki), names, now=clock)


def test_names_cover_the_machine_and_what_was_configured() -> None:
    assert serving_names("10.1.2.3", "node-1", ["gateway.example", "localhost"]) == (
        *NAMES,
        "10.1.2.3",
        "node-1",
        "gateway.example",
    )


@pytest.mark.parametrize(("host", "hostname"), [("0.0.0.0", ""), ("::", "odd_host"), ("127.0.0.1", "localhost")])
def test_what_names_nobody_is_left_out(host: str, hostname: str) -> None:
    assert serving_names(host, hostname) == NAMES


def test_a_configured_name_that_is_none_is_told(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    with pytest.raises(CertsError, match="'https://x' is neither"):
        open_context(pki, authority, clock, serving_names("::", "", ["https://x"]))


def test_the_first_start_issues_a_certificate_for_its_names(
    authority: Authority, pki: PkiDirectory, clock: Clock
) -> None:
    certificate = open_context(pki, authority, clock).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names) == {general_name(name) for name in NAMES}
    certificate.verify_directly_issued_by(authority.certificate)
    assert pki.serving.stat().st_mode & 0o777 == 0o600


def test_a_restart_keeps_the_certificate(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    first = open_context(pki, authority, clock)
    reordered = open_context(pki, authority, clock, ("0:0:0:0:0:0:0:1", "127.0.0.1", "localhost"))
    assert reordered.certificate == first.certificate


def test_other_names_need_another_certificate(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    first = open_context(pki, authority, clock)
    assert open_context(pki, authority, clock, (*NAMES, "gateway.example")).certificate != first.certificate


def test_the_certificate_is_renewed_at_two_thirds_of_its_life(
    authority: Authority, pki: PkiDirectory, clock: Clock
) -> None:
    context = open_context(pki, authority, clock)
    first = context.certificate
    clock.time += timedelta(days=59).total_seconds()
    assert not context.refresh()
    clock.time += timedelta(days=2).total_seconds()
    assert context.refresh()
    assert context.certificate != first
    assert context.certificate.not_valid_after_utc == MOMENT + timedelta(days=61 + 90)
    assert not context.refresh()


def test_a_clock_set_back_before_the_certificate_needs_another(
    authority: Authority, pki: PkiDirectory, clock: Clock
) -> None:
    clock.time += timedelta(days=1).total_seconds()
    first = open_context(pki, authority, clock).certificate
    clock.time -= timedelta(days=1).total_seconds()
    assert open_context(pki, authority, clock).certificate != first


@pytest.mark.parametrize("case", ["garbage", "foreign key", "foreign authority", "no names", "half a file"])
def test_a_kept_file_that_is_no_good_is_replaced(
    authority: Authority, pki: PkiDirectory, clock: Clock, tmp_path: Path, case: str
) -> None:
    first = open_context(pki, authority, clock).certificate
    kept = pki.serving.read_bytes()
    other, _ = open_authority(PkiDirectory.under(tmp_path / "other"), now=clock)
    key = new_key()
    request = CertificateRequest(Subject("fleetgate"), timedelta(hours=1), NAMES)
    foreign = other.issue(SERVING, request, key.public_key()).pem
    content = {
        "garbage": b"garbage",
        "foreign key": key_to_pem(key) + pem(first),
        "foreign authority": key_to_pem(key) + foreign,
        "no names": pki.ca_key.read_bytes() + authority.pem,
        "half a file": kept[: len(kept) // 2],
    }[case]
    write_atomically(pki.serving, content)
    renewed = open_context(pki, authority, clock).certificate
    assert renewed != first
    renewed.verify_directly_issued_by(authority.certificate)


def test_a_key_open_to_others_stops_the_start_and_spares_the_running(
    authority: Authority, pki: PkiDirectory, clock: Clock
) -> None:
    context = open_context(pki, authority, clock)
    first = context.certificate
    pki.serving.chmod(0o644)
    with pytest.raises(CertsError, match="chmod 600"):
        open_context(pki, authority, clock)
    with pytest.raises(CertsError, match="chmod 600"):
        context.refresh()
    assert context.certificate == first


def test_a_file_the_tls_library_refuses_is_told(
    authority: Authority, pki: PkiDirectory, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: ssl.SSLContext, _path: Path) -> None:
        raise ssl.SSLError("key values mismatch")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    with pytest.raises(CertsError, match="cannot be used"):
        open_context(pki, authority, clock)


def test_the_trusted_authorities_are_followed(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    context = open_context(pki, authority, clock)
    certificate = context.certificate
    write_atomically(pki.trusted, pem(forge_authority().certificate))
    assert context.refresh()
    assert context.certificate == certificate
    assert not context.refresh()


def test_only_tls_of_today_is_spoken(authority: Authority, pki: PkiDirectory, clock: Clock) -> None:
    context = open_context(pki, authority, clock).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
