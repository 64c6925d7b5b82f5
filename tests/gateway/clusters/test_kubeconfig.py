import base64
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.clusters.credentials import CredentialError, Credentials
from gateway.clusters.kubeconfig import KubeconfigCredentials, KubeconfigError, member_contexts, read_kubeconfig


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def document(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": cluster or {"server": "https://10.0.0.1:6443"}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}},
            {"name": "two", "context": {"cluster": "c"}},
        ],
    }


def write(folder: Path, content: dict[str, Any] | str) -> Path:
    path = folder / "kubeconfig"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_endpoint_of_a_context(tmp_path: Path) -> None:
    cluster = {
        "server": "https://10.0.0.1:6443/",
        "tls-server-name": "kubernetes",
        "insecure-skip-tls-verify": True,
        "proxy-url": "http://proxy:3128",
    }
    endpoint = read_kubeconfig(write(tmp_path, document(cluster=cluster))).endpoint()
    assert endpoint.url == "https://10.0.0.1:6443"
    assert endpoint.tls_server_name == "kubernetes"
    assert endpoint.insecure_skip_tls_verify
    assert endpoint.proxy_url == "http://proxy:3128"


def test_the_current_context_is_the_default(tmp_path: Path) -> None:
    kubeconfig = read_kubeconfig(write(tmp_path, document()))
    assert kubeconfig.namespace() == "shop"
    assert kubeconfig.credentials().token == "t"
    assert kubeconfig.namespace("two") == ""
    assert not kubeconfig.credentials("two").identified


def test_embedded_data_wins_over_files(tmp_path: Path) -> None:
    (tmp_path / "crt").write_text("FILE")
    user = {"client-certificate": "crt", "client-certificate-data": b64("DATA"), "client-key-data": b64("KEY")}
    cluster = {"server": "https://h", "certificate-authority-data": b64("CA")}
    loaded = read_kubeconfig(write(tmp_path, document(user, cluster))).credentials()
    assert loaded == Credentials(b"CA", b"DATA", b"KEY")


def test_relative_files_start_at_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    for name in ("ca", "crt", "key", "token"):
        (tmp_path / "pki" / name).write_text(name.upper() + "\n")
    user = {"client-certificate": "pki/crt", "client-key": "pki/key", "tokenFile": "pki/token"}
    cluster = {"server": "https://h", "certificate-authority": "pki/ca"}
    loaded = read_kubeconfig(write(tmp_path, document(user, cluster))).credentials()
    assert loaded == Credentials(b"CA\n", b"CRT\n", b"KEY\n", "TOKEN")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: [", "not YAML"),
        ("just text", "not a kubeconfig"),
        ("contexts: 5", "not a kubeconfig"),
        ({**document(), "current-context": ""}, "no current-context: name one of one, two"),
        ({**document(), "current-context": "gone"}, "no context 'gone', only one, two"),
        ({**document(), "clusters": []}, "names the cluster 'c'"),
        ({**document(), "users": [{"name": "u"}]}, "names the user 'u'"),
        (document({"username": "a", "password": "b"}), "passwords are not supported"),
        (document({"auth-provider": {"name": "oidc"}}), "auth providers are not supported"),
        (document({"tokenFile": "missing"}), "cannot read"),
        (document({"client-key-data": "*"}), "client-key-data is not base64"),
        (document(cluster={"server": "ftp://x"}), "not an address"),
        (document(cluster={"insecure-skip-tls-verify": True}), "not an address"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    path = write(tmp_path, content)

    def use() -> None:
        kubeconfig = read_kubeconfig(path)
        kubeconfig.endpoint()
        kubeconfig.credentials()

    with pytest.raises(KubeconfigError) as refusal:
        use()
    assert str(path) in str(refusal.value)
    assert words in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        read_kubeconfig(tmp_path / "none")


def plugin(folder: Path, script: str) -> dict[str, Any]:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["x"]}}


ANSWER = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":%s}'


async def test_a_plugin_gives_a_token_and_its_expiry(tmp_path: Path) -> None:
    answer = ANSWER % '{"token":"from-plugin","expirationTimestamp":"2026-01-01T00:00:00Z"}'
    path = write(tmp_path, document(plugin(tmp_path, f"echo '{answer}'"), {"server": "https://h"}))
    loaded = await KubeconfigCredentials(path).load()
    assert loaded.token == "from-plugin"
    assert loaded.expires == 1767225600.0


async def test_a_plugin_gives_a_certificate(tmp_path: Path) -> None:
    answer = ANSWER % '{"clientCertificateData":"C","clientKeyData":"K"}'
    path = write(tmp_path, document(plugin(tmp_path, f"echo '{answer}'"), {"server": "https://h"}))
    loaded = await KubeconfigCredentials(path).load()
    assert (loaded.client_certificate, loaded.client_key, loaded.expires) == (b"C", b"K", None)


@pytest.mark.parametrize("script", ["exit 3", "echo nonsense", f"echo '{ANSWER % 'null'}'"])
async def test_a_plugin_that_fails_is_named(tmp_path: Path, script: str) -> None:
    path = write(tmp_path, document(plugin(tmp_path, script), {"server": "https://h"}))
    with pytest.raises(CredentialError, match="credential plugin"):
        await KubeconfigCredentials(path).load()


async def test_the_file_is_read_each_time(tmp_path: Path) -> None:
    path = write(tmp_path, document({"token": "first"}))
    source = KubeconfigCredentials(path, "one")
    assert (await source.load()).token == "first"
    write(tmp_path, document({"token": "second"}))
    assert (await source.load()).token == "second"
    path.unlink()
    with pytest.raises(CredentialError, match="No such file"):
        await source.load()


def test_all_contexts_are_members_unless_some_are_named(tmp_path: Path) -> None:
    kubeconfig = read_kubeconfig(write(tmp_path, document()))
    assert member_contexts(kubeconfig) == ["one", "two"]
    assert member_contexts(kubeconfig, ["two"]) == ["two"]
    with pytest.raises(KubeconfigError, match="three"):
        member_contexts(kubeconfig, ["three"])


def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    cluster = {"server": "https://10.0.0.1", "proxy-url": "socks5://proxy:1080"}
    with pytest.raises(KubeconfigError, match="socks5"):
        read_kubeconfig(write(tmp_path, document(cluster=cluster))).endpoint()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was parsed, from now on."""
    texts: list[str] = []
    load = yaml.load

    def counted(text: str, **options: Any) -> Any:
        texts.append(text)
        return load(text, **options)

    monkeypatch.setattr("gateway.clusters.kubeconfig.yaml.load", counted)
    return texts


def test_a_file_is_parsed_once_until_it_changes(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns
    monkeypatch.setattr("gateway.clusters.kubeconfig.time.time_ns", lambda: now() + 10_000_000_000)
    path = write(tmp_path, document({"token": "old"}))
    for _ in range(3):
        assert read_kubeconfig(path).credentials().token == "old"
    assert len(parsed) == 1
    (tmp_path / "next").mkdir()
    os.replace(write(tmp_path / "next", document({"token": "new"})), path)
    assert read_kubeconfig(path).credentials().token == "new"


def test_a_file_just_written_may_change_without_its_stamp_telling(tmp_path: Path, parsed: list[str]) -> None:
    path = write(tmp_path, document())
    first = read_kubeconfig(path)
    before = path.stat()
    path.write_text(path.read_text().replace("current-context", "current-comment"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_kubeconfig(path) != first
    assert len(parsed) == 2


def test_a_file_just_written_is_parsed_once_for_all_members_that_ask(tmp_path: Path, parsed: list[str]) -> None:
    path = write(tmp_path, document())
    assert len({id(read_kubeconfig(path)) for _ in range(20)}) == 1
    assert len(parsed) == 1


def test_what_is_done_with_a_plugin_stays_out_of_the_next_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns
    monkeypatch.setattr("gateway.clusters.kubeconfig.time.time_ns", lambda: now() + 10_000_000_000)
    path = write(tmp_path, document({"exec": {"command": "tool"}}))
    stanza = read_kubeconfig(path).plugin()
    assert stanza is not None
    stanza["command"] = "another"
    assert read_kubeconfig(path).plugin() == {"command": "tool"}
