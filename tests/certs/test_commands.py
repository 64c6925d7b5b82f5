from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import commands, kubeconfig
from certs.authority import Authority
from certs.commands import DEFAULT_TTL, CertificateState
from certs.errors import CertsError, RevocationListError
from certs.keystore import PkiDirectory
from certs.profiles import SERVING, CertificateRequest, Subject
from certs.revocation import RevocationList
from tests.certs.conftest import Clock
from tests.certs.forge import MOMENT, name

ALICE = Subject("alice", ("developers",))
SERVER = "https://127.0.0.1:6443"
HOUR = timedelta(hours=1)


def signing_request(subject: x509.Name) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def test_init_creates_once(data_dir: Path, clock: Clock) -> None:
    first, created = commands.init(data_dir, now=clock)
    again, created_again = commands.init(data_dir, now=clock)
    assert (created, created_again) == (True, False)
    assert first.pem == again.pem


def test_issue_list_revoke(authority: Authority, data_dir: Path, pki: PkiDirectory, clock: Clock) -> None:
    issued = commands.issue(data_dir, ALICE, HOUR, server=SERVER, now=clock)
    certificate = kubeconfig.certificate_of(issued.credentials)
    key = serialization.load_pem_private_key(issued.credentials.key, None)
    assert key.public_key() == certificate.public_key()
    assert issued.credentials.ca_bundle == authority.pem
    assert issued.credentials.server == SERVER

    (listed,) = commands.list_certificates(data_dir, now=clock).certificates
    assert (listed.record, listed.state) == (issued.record, CertificateState.VALID)

    running_gateway = RevocationList(pki)
    assert not running_gateway.is_revoked(certificate.serial_number)
    record, revocation = commands.revoke_certificate(data_dir, issued.record.serial, reason="lost", now=clock)
    assert (record, revocation.revoked_at, revocation.reason) == (issued.record, MOMENT, "lost")
    assert running_gateway.is_revoked(certificate.serial_number)

    clock.time += 7200
    (listed,) = commands.list_certificates(data_dir, now=clock).certificates
    assert (listed.state, listed.revocation) == (CertificateState.REVOKED, revocation)
    _, standing = commands.revoke_certificate(data_dir, issued.record.serial, reason="again", now=clock)
    assert standing == revocation


def test_a_certificate_past_its_time_is_listed_as_expired(authority: Authority, data_dir: Path, clock: Clock) -> None:
    commands.issue(data_dir, ALICE, HOUR, server=SERVER, now=clock)
    clock.time += 3601
    (listed,) = commands.list_certificates(data_dir, now=clock).certificates
    assert listed.state is CertificateState.EXPIRED


def test_serving_certificates_are_neither_listed_nor_revoked(
    authority: Authority, data_dir: Path, clock: Clock
) -> None:
    request = CertificateRequest(Subject("fleetgate"), HOUR, ("localhost",))
    key = ec.generate_private_key(ec.SECP256R1())
    serving = authority.issue(SERVING, request, key.public_key())
    assert commands.list_certificates(data_dir, now=clock).certificates == ()
    with pytest.raises(CertsError, match="no client certificate"):
        commands.revoke_certificate(data_dir, serving.record.serial, reason="", now=clock)


def test_revoking_what_was_never_issued_is_refused(authority: Authority, data_dir: Path, clock: Clock) -> None:
    with pytest.raises(CertsError, match="no client certificate abc was issued here; see: fleetgate certs list"):
        commands.revoke_certificate(data_dir, "abc", reason="", now=clock)


def test_damage_does_not_stop_the_list_or_a_revocation(
    authority: Authority, data_dir: Path, pki: PkiDirectory, clock: Clock
) -> None:
    with open(pki.issued, "ab") as file:
        file.write(b"garbage\n")
    issued = commands.issue(data_dir, ALICE, HOUR, server=SERVER, now=clock)
    pki.ca_key.unlink()
    listing = commands.list_certificates(data_dir, now=clock)
    assert len(listing.certificates) == 1
    assert listing.damaged_lines == (1,)
    commands.revoke_certificate(data_dir, issued.record.serial, reason="", now=clock)


def test_every_command_needs_an_authority(data_dir: Path, clock: Clock) -> None:
    for command in (
        lambda: commands.issue(data_dir, ALICE, HOUR, server=SERVER, now=clock),
        lambda: commands.list_certificates(data_dir, now=clock),
        lambda: commands.revoke_certificate(data_dir, "ab", reason="", now=clock),
    ):
        with pytest.raises(CertsError, match="fleetgate certs init"):
            command()


class TestSign:
    """A request proves a key; the person who signs says who its owner is."""

    @pytest.mark.parametrize("subject", [name(), name("alice"), name("alice", groups=("developers",))])
    def test_the_command_names_the_user(
        self, authority: Authority, data_dir: Path, clock: Clock, subject: x509.Name
    ) -> None:
        pem = commands.sign(data_dir, signing_request(subject), ALICE, HOUR, now=clock)
        assert x509.load_pem_x509_certificate(pem).subject == ALICE.to_name()

    @pytest.mark.parametrize(
        ("subject", "words"),
        [
            (name("bob"), "is for user 'bob', not for 'alice'"),
            (name("alice", uids=("1",)), "make them agree"),
            (name("alice", groups=("system:masters", "developers")), "asks for the groups system:masters; grant them"),
        ],
    )
    def test_a_request_for_something_else_is_refused(
        self, authority: Authority, data_dir: Path, clock: Clock, subject: x509.Name, words: str
    ) -> None:
        with pytest.raises(CertsError, match=words):
            commands.sign(data_dir, signing_request(subject), ALICE, HOUR, now=clock)


class TestRefreshKubeconfig:
    """The kubeconfig the gateway keeps for its administrator."""

    @pytest.fixture(autouse=True)
    def _prepare(self, authority: Authority, data_dir: Path, clock: Clock) -> None:
        self.path = data_dir / "admin.kubeconfig"
        self.data_dir = data_dir
        self.clock = clock
        assert self.refresh()

    def refresh(self, server: str = SERVER) -> bool:
        return commands.refresh_kubeconfig(self.data_dir, self.path, ALICE, server=server, now=self.clock)

    def test_it_is_written_once(self) -> None:
        before = self.path.read_bytes()
        assert not self.refresh()
        assert self.path.read_bytes() == before

    def test_it_is_renewed_at_two_thirds_of_its_life(self) -> None:
        self.clock.time += DEFAULT_TTL.total_seconds() * 2 / 3 - 600
        assert not self.refresh()
        self.clock.time += 601
        assert self.refresh()
        certificate = kubeconfig.certificate_of(kubeconfig.read(self.path))
        assert certificate.not_valid_after_utc > MOMENT + DEFAULT_TTL

    def test_it_follows_the_gateway_to_another_address(self) -> None:
        assert self.refresh("https://127.0.0.1:7443")
        assert kubeconfig.read(self.path).server == "https://127.0.0.1:7443"

    def test_a_revoked_one_is_not_brought_back(self) -> None:
        certificate = kubeconfig.certificate_of(kubeconfig.read(self.path))
        serial = f"{certificate.serial_number:x}"
        commands.revoke_certificate(self.data_dir, serial, reason="", now=self.clock)
        self.clock.time += DEFAULT_TTL.total_seconds()
        assert not self.refresh("https://127.0.0.1:7443")

    def test_a_damaged_revocation_list_stops_it(self) -> None:
        PkiDirectory.under(self.data_dir).revoked.write_bytes(b"")
        with pytest.raises(RevocationListError):
            self.refresh()


def test_the_gateways_address_is_remembered(data_dir: Path) -> None:
    data_dir.mkdir()
    assert commands.server_url(data_dir) is None
    commands.write_server_url(data_dir, SERVER)
    assert commands.server_url(data_dir) == SERVER
