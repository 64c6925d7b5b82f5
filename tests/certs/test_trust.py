from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from certs.authority import Authority
from certs.errors import CertsError
from certs.keystore import NOTICE_PERIOD, PkiDirectory, write_atomically
from certs.trust import TrustStore, authorities_in, own_bundle
from tests.certs.forge import authority as forge_authority
from tests.certs.forge import leaf, name, pem
from tests.support.clock import FakeClock

OLD, EXTRA = forge_authority("old"), forge_authority("extra")


def test_our_own_authority_is_trusted(authority: Authority, pki: PkiDirectory) -> None:
    assert TrustStore(pki).current().certificates == (authority.certificate,)


def test_the_bundle_of_a_rotation_and_further_authorities_are_trusted(
    authority: Authority, pki: PkiDirectory, tmp_path: Path
) -> None:
    pki.trusted.write_bytes(pem(OLD.certificate))
    extra = tmp_path / "clients.crt"
    extra.write_bytes(pem(EXTRA.certificate))
    trusted = TrustStore(pki, [extra]).current()
    assert trusted.certificates == (authority.certificate, OLD.certificate, EXTRA.certificate)
    assert own_bundle(pki) == authority.pem + pem(OLD.certificate)


def test_an_authority_added_or_removed_counts_from_the_next_question(authority: Authority, pki: PkiDirectory) -> None:
    store = TrustStore(pki)
    before = store.current()
    assert store.current() is before
    pki.trusted.write_bytes(pem(OLD.certificate))
    assert store.current().certificates == (authority.certificate, OLD.certificate)
    pki.trusted.unlink()
    assert store.current().certificates == (authority.certificate,)


def test_a_store_that_looks_now_and_then_notices_in_time(authority: Authority, pki: PkiDirectory) -> None:
    clock = FakeClock()
    pki.trusted.write_bytes(pem(OLD.certificate))
    store = TrustStore(pki, notice_within=NOTICE_PERIOD, clock=clock)
    pki.trusted.unlink()
    assert len(store.current().certificates) == 2
    clock.advance(1.5 * NOTICE_PERIOD)
    assert store.current().certificates == (authority.certificate,)


def test_a_bad_file_keeps_the_last_good_set_and_tells(authority: Authority, pki: PkiDirectory) -> None:
    store = TrustStore(pki)
    good = store.current()
    pki.trusted.write_bytes(b"half a bundle")
    assert store.current() is good
    assert "trusted.crt is not a bundle" in str(store.failure)
    write_atomically(pki.trusted, pem(OLD.certificate))
    assert len(store.current().certificates) == 2
    assert store.failure is None


def test_a_bad_file_at_the_start_is_an_error(authority: Authority, pki: PkiDirectory, tmp_path: Path) -> None:
    with pytest.raises(CertsError, match="cannot read"):
        TrustStore(pki, [tmp_path / "absent"])


@pytest.mark.parametrize("extension", [False, True])
def test_a_certificate_that_is_no_authority_is_not_trusted(tmp_path: Path, extension: bool) -> None:
    extensions = ((x509.BasicConstraints(ca=False, path_length=None), True),) if extension else ()
    with pytest.raises(CertsError, match="'CN=alice', which is not a certificate authority"):
        authorities_in(pem(OLD.certificate) + pem(leaf(OLD, name("alice"), extensions=extensions)), tmp_path)
