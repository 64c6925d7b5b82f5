import base64
import gc
import ssl
import weakref
from dataclasses import replace
from typing import Any

import pytest

from gateway.apimachinery.errors import service_unavailable
from gateway.clusters.cluster import Cluster, SecretReference
from gateway.clusters.credentials import (
    CredentialError,
    Credentials,
    ImpersonatorCredentials,
    SecretCredentials,
    client_context,
    credentials_from_secret,
    secret_data,
)
from gateway.clusters.endpoint import Endpoint
from tests.support.tls import Authority

HTTPS = Endpoint("https://127.0.0.1:1")
REFERENCE = SecretReference("karmada-cluster", "member1")
IMPERSONATOR = SecretReference("karmada-cluster", "member1-impersonator")


def secret(**data: str | bytes) -> dict[str, Any]:
    encoded = {
        key.replace("_", "."): base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
        for key, value in data.items()
    }
    return {"data": encoded}


class Secrets:
    def __init__(self, **by_name: dict[str, Any]) -> None:
        self.by_name = {name.replace("_", "-"): obj for name, obj in by_name.items()}

    async def __call__(self, reference: SecretReference) -> dict[str, Any] | None:
        assert reference.namespace == "karmada-cluster"
        return self.by_name.get(reference.name)


def cluster(**fields: Any) -> Cluster:
    fields.setdefault("secret", REFERENCE)
    return Cluster("member1", fields.pop("endpoint", HTTPS), **fields)


async def test_karmadas_secret() -> None:
    read = Secrets(member1=secret(token="t\n", caBundle="CA"))
    assert await SecretCredentials(cluster(), read).load() == Credentials(ca_bundle=b"CA", token="t")


async def test_our_secret_with_a_client_certificate() -> None:
    read = Secrets(member1=secret(client_crt="C", client_key="K", caBundle="CA"))
    loaded = await SecretCredentials(cluster(), read).load()
    assert loaded == Credentials(ca_bundle=b"CA", client_certificate=b"C", client_key=b"K")


@pytest.mark.parametrize(
    ("cluster_fields", "secrets", "words"),
    [
        ({"secret": None}, {}, "spec.secretRef is empty"),
        ({"secret": None, "sync_mode": "Pull"}, {}, "Pull mode"),
        ({}, {}, "karmada-cluster/member1 does not exist"),
        ({}, {"member1": secret(caBundle="CA")}, "neither a token"),
        ({}, {"member1": secret(token="t")}, "holds no caBundle"),
        ({}, {"member1": {"data": {"token": "%%%"}}}, "token is not base64"),
        ({}, {"member1": secret(token="ü")}, "not a bearer token"),
        ({}, {"member1": {"data": []}}, "neither a token"),
    ],
)
async def test_what_is_missing_is_named(cluster_fields: dict[str, Any], secrets: dict[str, Any], words: str) -> None:
    with pytest.raises(CredentialError) as refusal:
        await SecretCredentials(cluster(**cluster_fields), Secrets(**secrets)).load()
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "endpoint", [Endpoint("https://h", insecure_skip_tls_verify=True), Endpoint("http://127.0.0.1")]
)
async def test_no_authority_is_needed_where_none_is_asked(endpoint: Endpoint) -> None:
    read = Secrets(member1=secret(token="t"))
    assert (await SecretCredentials(cluster(endpoint=endpoint), read).load()).token == "t"


async def test_a_store_that_cannot_be_read_is_named() -> None:
    async def read(_: SecretReference) -> dict[str, Any] | None:
        raise service_unavailable("the federation store cannot be reached")

    with pytest.raises(CredentialError, match="cannot be read: the federation store"):
        await SecretCredentials(cluster(), read).load()


async def test_the_impersonator_has_its_own_token_and_the_members_authority() -> None:
    read = Secrets(
        member1=secret(client_crt="C", client_key="K", caBundle="CA"), member1_impersonator=secret(token="i")
    )
    loaded = await ImpersonatorCredentials(cluster(), IMPERSONATOR, read).load()
    assert loaded == Credentials(ca_bundle=b"CA", token="i")


async def test_an_impersonator_without_a_token_is_refused() -> None:
    read = Secrets(member1=secret(token="t", caBundle="CA"), member1_impersonator=secret(caBundle="CA"))
    with pytest.raises(CredentialError, match="member1-impersonator holds no token"):
        await ImpersonatorCredentials(cluster(), IMPERSONATOR, read).load()


def test_secret_data_reads_back() -> None:
    credentials = Credentials(b"CA", b"C", b"K", "t")
    assert credentials_from_secret({"data": secret_data(credentials)}, REFERENCE) == credentials
    assert secret_data(Credentials(token="t")).keys() == {"token"}


def test_neither_key_nor_token_shows_in_a_repr() -> None:
    assert "hidden" not in repr(Credentials(client_key=b"hidden", token="hidden"))


def test_only_the_token_may_differ_on_one_connection() -> None:
    one = Credentials(b"CA", b"C", b"K", "t")
    assert one.same_connection(Credentials(b"CA", b"C", b"K", "other"))
    assert not one.same_connection(Credentials(b"CA2", b"C", b"K", "t"))
    assert not one.same_connection(Credentials(b"CA", b"C", b"K2", "t"))


def test_the_context_verifies_and_speaks_tls_1_2_or_later() -> None:
    context = client_context(HTTPS, Credentials(Authority().bundle))
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_context_verifies_nothing_when_told_so() -> None:
    context = client_context(Endpoint("https://h", insecure_skip_tls_verify=True), Credentials())
    assert context.verify_mode == ssl.CERT_NONE
    assert not context.check_hostname


@pytest.mark.parametrize("bundle", [b"garbage", b"\xff\xfe"])
def test_a_broken_authority_is_named(bundle: bytes) -> None:
    with pytest.raises(CredentialError, match="CA bundle"):
        client_context(HTTPS, Credentials(bundle))


def test_a_certificate_and_the_key_of_another_are_named() -> None:
    authority = Authority()
    one, other = authority.client("a"), authority.client("b")
    with pytest.raises(CredentialError, match="matching PEM pair"):
        client_context(HTTPS, Credentials(authority.bundle, one.certificate, other.key))


def test_an_encrypted_key_is_refused_without_asking_for_its_password() -> None:
    from cryptography.hazmat.primitives import serialization

    authority = Authority()
    pair = authority.client("a")
    key = serialization.load_pem_private_key(pair.key, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(CredentialError, match="matching PEM pair"):
        client_context(HTTPS, Credentials(authority.bundle, pair.certificate, encrypted))


def test_members_with_the_same_certificates_share_their_settings() -> None:
    authority = Authority()
    pair = authority.client("a")
    own = Credentials(authority.bundle, pair.certificate, pair.key, token="t", expires=1.0)
    context = client_context(HTTPS, own)
    assert client_context(Endpoint("https://other"), replace(own, token="u", expires=2.0)) is context
    assert client_context(HTTPS, replace(own, ca_bundle=Authority().bundle)) is not context
    assert client_context(HTTPS, replace(own, client_certificate=b"", client_key=b"")) is not context
    assert client_context(Endpoint("https://h", insecure_skip_tls_verify=True), own) is not context


def test_settings_that_nobody_uses_are_forgotten() -> None:
    credentials = Credentials(Authority().bundle)
    forgotten = weakref.ref(client_context(HTTPS, credentials))
    gc.collect()
    assert forgotten() is None
    assert client_context(HTTPS, credentials).verify_mode == ssl.CERT_REQUIRED
