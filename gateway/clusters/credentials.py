"""What proves the gateway to an API server, and the API server to the gateway.

Read from the Secrets that Karmada (`token`, `caBundle`) or `fleetgate join` (`client.crt`, `client.key`) wrote;
kubeconfig.py reads the same from files. Keys never reach a log, an error or a repr.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol
from weakref import WeakValueDictionary

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.clusters.cluster import Cluster, SecretReference
from gateway.clusters.endpoint import Endpoint

TOKEN_KEY = "token"  # noqa: S105 - the name of a key in a Secret
CA_KEY = "caBundle"
CERTIFICATE_KEY = "client.crt"
PRIVATE_KEY_KEY = "client.key"


class CredentialError(Exception):
    """Credentials that are missing or cannot be used, in words for the person who can mend it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM bytes and a bearer token. `expires` (seconds since the epoch) is None where nothing says."""

    ca_bundle: bytes = b""
    client_certificate: bytes = b""
    client_key: bytes = field(default=b"", repr=False)
    token: str = field(default="", repr=False)
    expires: float | None = None

    @property
    def identified(self) -> bool:
        """Whether they name anybody at all."""
        return bool(self.token or self.client_certificate)

    def same_connection(self, other: Credentials) -> bool:
        """Whether connections made with the one serve the other: all but the token is equal."""
        return (self.ca_bundle, self.client_certificate, self.client_key) == (
            other.ca_bundle,
            other.client_certificate,
            other.client_key,
        )


class CredentialSource(Protocol):
    """Where the credentials of one identity come from; asked again whenever they may have been rotated."""

    async def load(self) -> Credentials:
        """Read them anew. Raises CredentialError."""
        ...


class StaticCredentials:
    """Credentials that never change."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def load(self) -> Credentials:
        """Return them."""
        return self._credentials


SecretReader = Callable[[SecretReference], Awaitable[JsonObject | None]]
"""Reads a Secret from the store; None when there is none."""


class SecretCredentials:
    """Credentials of a member kept in the Secret that its Cluster object names."""

    def __init__(self, cluster: Cluster, read: SecretReader) -> None:
        self._cluster = cluster
        self._read = read

    async def load(self) -> Credentials:
        """Read the Secret. Raises CredentialError when there is none, or nothing usable in it."""
        reference = self._cluster.secret
        if reference is None:
            if self._cluster.sync_mode == "Pull":
                raise CredentialError("it is joined in Pull mode without credentials (spec.secretRef is empty)")
            raise CredentialError("spec.secretRef is empty: there are no credentials for it")
        credentials = await _read_secret(self._read, reference)
        if not credentials.identified:
            raise CredentialError(
                f"Secret {reference} holds neither a token nor {CERTIFICATE_KEY} and {PRIVATE_KEY_KEY}"
            )
        _require_authority(self._cluster.endpoint, credentials, reference)
        return credentials


class ImpersonatorCredentials:
    """The identity Karmada keeps for impersonating callers: its own token, trusted by the CA of the main Secret."""

    def __init__(self, cluster: Cluster, impersonator: SecretReference, read: SecretReader) -> None:
        self._main = SecretCredentials(cluster, read)
        self._impersonator = impersonator
        self._read = read

    async def load(self) -> Credentials:
        """Read both Secrets. Raises CredentialError."""
        own = await self._main.load()
        impersonator = await _read_secret(self._read, self._impersonator)
        if not impersonator.token:
            raise CredentialError(f"Secret {self._impersonator} holds no token to impersonate callers with")
        return Credentials(ca_bundle=impersonator.ca_bundle or own.ca_bundle, token=impersonator.token)


async def _read_secret(read: SecretReader, reference: SecretReference) -> Credentials:
    try:
        secret = await read(reference)
    except ApiError as error:
        raise CredentialError(f"Secret {reference} cannot be read: {error.message}") from None
    if secret is None:
        raise CredentialError(f"Secret {reference} does not exist")
    return credentials_from_secret(secret, reference)


def _require_authority(endpoint: Endpoint, credentials: Credentials, reference: SecretReference) -> None:
    if endpoint.secure and not credentials.ca_bundle and not endpoint.insecure_skip_tls_verify:
        raise CredentialError(
            f"Secret {reference} holds no {CA_KEY}: without it the API server cannot be told from an impostor"
        )


def credentials_from_secret(secret: JsonObject, reference: SecretReference) -> Credentials:
    """Read the data of a member's Secret; absent keys stay empty. Raises CredentialError when a value is not base64."""
    data = secret.get("data")
    if not isinstance(data, dict):
        data = {}

    def value(key: str) -> bytes:
        text = data.get(key)
        if not isinstance(text, str):
            return b""
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise CredentialError(f"Secret {reference}: {key} is not base64") from None

    try:
        token = value(TOKEN_KEY).decode("ascii").strip()
    except UnicodeDecodeError:
        raise CredentialError(f"Secret {reference}: {TOKEN_KEY} is not a bearer token") from None
    return Credentials(
        ca_bundle=value(CA_KEY),
        client_certificate=value(CERTIFICATE_KEY),
        client_key=value(PRIVATE_KEY_KEY),
        token=token,
    )


def secret_data(credentials: Credentials) -> dict[str, str]:
    """Write credentials as the `data` of a member's Secret; the reverse of credentials_from_secret."""
    values = {
        TOKEN_KEY: credentials.token.encode("ascii"),
        CA_KEY: credentials.ca_bundle,
        CERTIFICATE_KEY: credentials.client_certificate,
        PRIVATE_KEY_KEY: credentials.client_key,
    }
    return {key: base64.b64encode(value).decode("ascii") for key, value in values.items() if value}


_contexts: WeakValueDictionary[tuple[Credentials, bool], ssl.SSLContext] = WeakValueDictionary()


def client_context(endpoint: Endpoint, credentials: Credentials) -> ssl.SSLContext:
    """Return the TLS settings of a connection: TLS 1.2 or later, HTTP/1.1 only, the API server's certificate verified.

    Whoever has the same certificates shares them, for the authorities of the system alone take 0.8 MB and 20 ms. Raises
    CredentialError when the certificates or the key cannot be read.
    """
    key = replace(credentials, token="", expires=None), endpoint.insecure_skip_tls_verify
    context = _contexts.get(key)
    if context is None:
        context = _contexts[key] = _new_context(endpoint, credentials)
    return context


def _new_context(endpoint: Endpoint, credentials: Credentials) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The authorities of many clusters lack the key identifiers that strict verification (Python 3.13) asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    try:
        if credentials.ca_bundle:
            context.load_verify_locations(cadata=credentials.ca_bundle.decode("ascii"))
        else:
            context.load_default_certs()
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        raise CredentialError("the CA bundle is not a PEM certificate") from None
    if endpoint.insecure_skip_tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.client_certificate:
        _load_client_certificate(context, credentials)
    return context


def _load_client_certificate(context: ssl.SSLContext, credentials: Credentials) -> None:
    # The ssl module reads certificates from files only; this one is 0600 and gone as soon as it was read.
    with tempfile.NamedTemporaryFile() as file:
        file.write(credentials.client_certificate + b"\n" + credentials.client_key)
        file.flush()
        try:
            context.load_cert_chain(file.name, password=_no_password)
        except (ssl.SSLError, ValueError):
            raise CredentialError("the client certificate and key are not a matching PEM pair") from None


def _no_password() -> bytes:
    # Without this OpenSSL would ask for the password of an encrypted key on the terminal and block.
    raise ValueError("the key is encrypted")
