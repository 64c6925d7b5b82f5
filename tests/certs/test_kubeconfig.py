from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from certs import kubeconfig
from certs.errors import CertsError
from certs.kubeconfig import Credentials
from tests.certs.forge import authority, leaf, name, pem

CERTIFICATE = leaf(authority(), name("alice"))
ALICE = Credentials("alice", "https://127.0.0.1:6443", b"ca", pem(CERTIFICATE), b"key")


def test_a_kubeconfig_holds_everything_a_client_needs() -> None:
    document = yaml.safe_load(kubeconfig.render(ALICE))
    assert document["current-context"] == "alice@fleetgate"
    assert document["contexts"] == [{"name": "alice@fleetgate", "context": {"cluster": "fleetgate", "user": "alice"}}]
    (cluster,) = document["clusters"]
    assert cluster["cluster"] == {
        "server": ALICE.server,
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
    }
    (user,) = document["users"]
    assert user["name"] == "alice"
    assert base64.b64decode(user["user"]["client-key-data"]) == b"key"


def test_a_kubeconfig_is_private_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "alice.kubeconfig"
    kubeconfig.write(path, ALICE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert kubeconfig.read(path) == ALICE
    assert kubeconfig.certificate_of(ALICE) == CERTIFICATE


def test_our_own_kubeconfig_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "alice.kubeconfig"
    kubeconfig.write(path, ALICE)
    renewed = Credentials("alice", "https://127.0.0.1:7443", b"ca2", b"cert2", b"key2")
    kubeconfig.write(path, renewed)
    assert kubeconfig.read(path) == renewed


OTHER = yaml.safe_load(kubeconfig.render(ALICE))
OTHER["clusters"][0]["name"] = "kind"
TWO = yaml.safe_load(kubeconfig.render(ALICE))
TWO["clusters"].append({"name": "kind", "cluster": {}})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "text",
        "[1]",
        ": :",
        "a: {",
        "clusters: []\nusers: []\ncontexts: []",
        yaml.safe_dump(OTHER),
        yaml.safe_dump(TWO),
    ],
)
def test_a_file_of_somebody_else_is_never_written_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(CertsError, match="not a kubeconfig that fleetgate wrote; choose another file"):
        kubeconfig.write(path, ALICE)
    assert path.read_text() == content


def test_a_kubeconfig_without_a_certificate_is_told() -> None:
    with pytest.raises(CertsError, match="no readable client certificate"):
        kubeconfig.certificate_of(Credentials("alice", "", b"", b"nothing", b""))
