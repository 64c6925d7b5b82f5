"""The command as people meet it: help, exit codes, plain words."""

import socket
import subprocess
import sys

import pytest

from gateway.cli import main


def run(*arguments, timeout=30):
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.mark.parametrize("command", [[], ["serve"], ["join"], ["unjoin"], ["clusters"], ["certs"], ["certs", "issue"]])
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "usage: fleetgate" in said
    assert not command or command == ["certs"] or "example" in said


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["serve", "--nonsense"], ["join"]])
def test_wrong_usage_exits_with_two(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_wrong_address(capsys):
    assert main(["serve", "--listen", "nowhere"]) == 2
    assert "write HOST:PORT" in capsys.readouterr().err


def test_a_wrong_configuration_names_its_line(tmp_path, capsys):
    path = tmp_path / "gateway.yaml"
    path.write_text("apiVersion: config.fleetgate.io/v1alpha1\nkind: GatewayConfiguration\nlisten: x\n")
    assert main(["serve", "--config", str(path)]) == 2
    assert 'gateway.yaml:3: unknown field "listen"' in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "-1", "65"])
def test_a_wrong_number_of_workers(workers, capsys):
    assert main(["serve", f"--workers={workers}"]) == 2
    assert "workers must be between 1 and 64" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_address_in_use_is_told_plainly(tmp_path, workers):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listen = ["--listen", f"127.0.0.1:{port}", "--workers", workers]
        done = run("serve", "--data-dir", str(tmp_path / "data"), *listen)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("fleetgate: the address is in use by another program")
    assert "Traceback" not in done.stderr


def test_a_damaged_store_is_told_plainly(tmp_path):
    path = tmp_path / "storage.db"
    path.write_bytes(bytes(8192))
    done = run("serve", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fleetgate: cannot use {path} as a store")
    assert "restore it from a backup" in line
    assert path.read_bytes() == bytes(8192)


def test_a_store_that_cannot_be_reached(tmp_path):
    done = run("serve", "--data-dir", str(tmp_path / "data"), "--federation-kubeconfig", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "none" in done.stderr
    assert "Traceback" not in done.stderr


def test_version():
    assert run("--version").stdout.startswith("fleetgate ")
