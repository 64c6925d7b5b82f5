from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certs import commands, kubeconfig
from gateway.cli_certs import add_certs_parser, parse_duration, run_certs

NOW = 1_800_000_000.0


class Shell:
    """Runs `fleetgate certs …` against one data directory."""

    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self.now = NOW
        self._capsys = capsys

    def __call__(self, command: str, *arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser(prog="fleetgate")
        add_certs_parser(parser.add_subparsers(required=True))
        args = parser.parse_args(["certs", command, *arguments, "--data-dir", str(self.data_dir)])
        code = run_certs(args, now=lambda: self.now)
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def certs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "data", capsys)


@pytest.fixture
def ready(certs: Shell) -> Shell:
    assert certs("init")[0] == 0
    commands.write_server_url(certs.data_dir, "https://gateway.example:6443")
    return certs


def test_init_says_what_it_did(certs: Shell) -> None:
    code, out, err = certs("init")
    assert (code, err) == (0, "")
    assert out == f"created a certificate authority in {certs.data_dir}, valid until 2037-01-12T08:00:00Z\n"
    code, out, _ = certs("init")
    assert code == 0
    assert "nothing was changed" in out


def test_issue_prints_a_kubeconfig_and_nothing_else(ready: Shell) -> None:
    code, out, err = ready("issue", "alice", "--group", "a", "--group", "b")
    assert (code, err) == (0, "")
    document = yaml.safe_load(out)
    assert document["clusters"][0]["cluster"]["server"] == "https://gateway.example:6443"
    assert document["current-context"] == "alice@fleetgate"


def test_issue_writes_a_private_file(ready: Shell, tmp_path: Path) -> None:
    path = tmp_path / "alice.kubeconfig"
    code, out, err = ready("issue", "alice", "--out", str(path), "--server", "https://other:1", "--ttl", "90m")
    assert (code, err) == (0, "")
    assert out.startswith(f"wrote {path}: user alice, serial ")
    assert out.endswith(", until 2027-01-15T09:30:00Z\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert kubeconfig.read(path).server == "https://other:1"


def test_issue_refuses_to_write_over_another_file_before_anything_is_issued(ready: Shell, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("clusters: []")
    code, _, err = ready("issue", "alice", "--out", str(path))
    assert code == 1
    assert err == f"error: {path} is not a kubeconfig that fleetgate wrote; choose another file\n"
    assert ready("list")[1].count("\n") == 1


def test_issue_without_a_known_server_says_where_it_points(certs: Shell) -> None:
    certs("init")
    code, out, err = certs("issue", "alice")
    assert code == 0
    assert yaml.safe_load(out)["clusters"][0]["cluster"]["server"] == commands.DEFAULT_SERVER
    assert "name another with --server" in err


def test_a_long_life_is_noted_and_a_longer_one_refused(ready: Shell) -> None:
    assert "note: a certificate that lives longer than 24h" in ready("issue", "ci", "--ttl", "7d")[2]
    code, out, err = ready("issue", "ci", "--ttl", "31d")
    assert (code, out) == (1, "")
    assert "lives 720h at most, 744h were asked for" in err


@pytest.mark.parametrize("arguments", [["system:admin"], ["alice", "--group", "system:masters"], [""]])
def test_reserved_and_empty_names_are_refused(ready: Shell, arguments: list[str]) -> None:
    code, out, err = ready("issue", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: no certificate was issued: the ")


def test_before_init_the_next_step_is_named(certs: Shell) -> None:
    for command in (["issue", "alice"], ["list"], ["revoke", "ab"]):
        code, out, err = certs(*command)
        assert (code, out) == (1, "")
        assert "create one with: fleetgate certs init" in err


def test_list_is_a_table(ready: Shell, tmp_path: Path) -> None:
    ready("issue", "alice", "--group", "developers", "--group", "b")
    ready("issue", "bob", "--ttl", "1h")
    ready("issue", "carol")
    serials = [line.split()[0] for line in ready("list")[1].splitlines()[1:]]
    ready("revoke", serials[2], "--reason", "left")
    ready.now += 7200
    code, out, _ = ready("list")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["SERIAL", "USER", "GROUPS", "EXPIRES", "STATUS"],
        [serials[0], "alice", "developers,b", "2027-01-15T20:00:00Z", "Valid"],
        [serials[1], "bob", "<none>", "2027-01-15T09:00:00Z", "Expired"],
        [serials[2], "carol", "<none>", "2027-01-15T20:00:00Z", "Revoked"],
    ]
    starts = {line.index(word) for line, word in zip(out.splitlines(), ["EXPIRES"] + ["2027"] * 3, strict=True)}
    assert len(starts) == 1


def test_list_tells_of_damage(ready: Shell) -> None:
    (ready.data_dir / "pki" / "issued.jsonl").write_bytes(b"garbage\n")
    assert ready("list")[2] == "note: line 1 of the index of issued certificates is damaged and was left out\n"


def test_revoke_says_since_when(ready: Shell) -> None:
    ready("issue", "alice")
    serial = ready("list")[1].splitlines()[1].split()[0]
    said = f"certificate {serial} of alice is revoked since 2027-01-15T08:00:00Z\n"
    assert ready("revoke", serial.upper()) == (0, said, "")
    ready.now += 60
    assert ready("revoke", serial) == (0, said, "")
    assert ready("revoke", "no-serial")[0] == 1


def test_a_request_is_signed_without_its_key(ready: Shell, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bob")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request, path = tmp_path / "bob.csr", tmp_path / "bob.crt"
    request.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))

    code, out, _ = ready("issue", "bob", "--csr", str(request))
    assert code == 0
    assert x509.load_pem_x509_certificate(out.encode()).public_key() == key.public_key()

    code, out, _ = ready("issue", "bob", "--csr", str(request), "--out", str(path))
    assert (code, out) == (0, f"wrote {path}: a certificate for user bob\n")
    assert x509.load_pem_x509_certificate(path.read_bytes()).public_key() == key.public_key()

    assert ready("issue", "carol", "--csr", str(request))[0] == 1
    assert ready("issue", "bob", "--csr", str(tmp_path / "absent"))[0] == 1


@pytest.mark.parametrize(
    "arguments", [["issue"], ["issue", "a", "--ttl", "long"], ["revoke"], ["unknown"], ["list", "x"]]
)
def test_wrong_usage_is_exit_code_2(certs: Shell, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        certs(*arguments)
    assert exit_.value.code == 2


@pytest.mark.parametrize("command", [[], ["init"], ["issue"], ["list"], ["revoke"]])
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="fleetgate")
    add_certs_parser(parser.add_subparsers(required=True))
    with pytest.raises(SystemExit):
        parser.parse_args(["certs", *command, "--help"])
    assert "  fleetgate certs " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("12h", timedelta(hours=12)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("7d", timedelta(days=7)),
        ("5s", timedelta(seconds=5)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "1m1h", "9999999999d"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write it like 30m, 12h or 7d"):
        parse_duration(text)
