"""Reading kubeconfig files: which contexts there are, where each leads, and with which credentials.

Certificates and tokens are read here; credential plugins (`exec`) are run by kubernetes_asyncio, imported only then
because that import takes more than a second. Basic passwords and the retired auth providers are refused.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import datetime
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from cachetools import LRUCache

from gateway.clusters.credentials import CredentialError, Credentials
from gateway.clusters.endpoint import Endpoint, EndpointError, normalize_proxy, normalize_url

_PLUGIN_TIMEOUT = 60.0

_SETTLED = 2_000_000_000
"""Nanoseconds for which a file may still change without its stamp telling: the clocks of file systems are coarse."""

_Stamp = tuple[int, int, int, int]


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used, naming the file and what to change."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """A parsed kubeconfig file; its sections are keyed by name, relative paths in it start at `path`'s folder."""

    path: Path
    clusters: dict[str, dict[str, Any]]
    contexts: dict[str, dict[str, Any]]
    users: dict[str, dict[str, Any]]
    current_context: str

    def _problem(self, text: str) -> KubeconfigError:
        return KubeconfigError(f"kubeconfig {self.path}: {text}")

    def _context(self, name: str | None) -> dict[str, Any]:
        wanted = name or self.current_context
        if not wanted:
            raise self._problem("it has no current-context: name one of " + _listed(self.contexts))
        if wanted not in self.contexts:
            raise self._problem(f"there is no context {wanted!r}, only " + _listed(self.contexts))
        return self.contexts[wanted]

    def namespace(self, context: str | None = None) -> str:
        """Return the default namespace of a context, empty when it names none."""
        return str(self._context(context).get("namespace") or "")

    def endpoint(self, context: str | None = None) -> Endpoint:
        """Return where a context (None: the current one) leads. Raises KubeconfigError."""
        cluster = self._section(self.clusters, "cluster", self._context(context))
        try:
            url = normalize_url(str(cluster.get("server") or ""))
            return Endpoint(
                url=url,
                tls_server_name=str(cluster.get("tls-server-name") or ""),
                insecure_skip_tls_verify=cluster.get("insecure-skip-tls-verify") is True,
                proxy_url=normalize_proxy(str(cluster.get("proxy-url") or ""), url),
            )
        except EndpointError as error:
            raise self._problem(str(error)) from None

    def credentials(self, context: str | None = None) -> Credentials:
        """Return the certificates and token of a context, files read now; a plugin's are not among them.

        Raises KubeconfigError for a file that cannot be read and for kinds of credentials that are not supported.
        """
        chosen = self._context(context)
        cluster = self._section(self.clusters, "cluster", chosen)
        user = self._section(self.users, "user", chosen) if chosen.get("user") else {}
        if "username" in user or "password" in user:
            raise self._problem("passwords are not supported: use a client certificate or a token")
        if "auth-provider" in user:
            raise self._problem(
                "auth providers are not supported any more: use an exec plugin, a token or a certificate"
            )
        token = str(user.get("token") or "")
        if not token and user.get("tokenFile"):
            token = self._file(str(user["tokenFile"])).decode("ascii", "replace").strip()
        return Credentials(
            ca_bundle=self._bytes(cluster, "certificate-authority"),
            client_certificate=self._bytes(user, "client-certificate"),
            client_key=self._bytes(user, "client-key"),
            token=token,
        )

    def plugin(self, context: str | None = None) -> dict[str, Any] | None:
        """Return the exec plugin of a context's user, None when it has none."""
        chosen = self._context(context)
        user = self._section(self.users, "user", chosen) if chosen.get("user") else {}
        stanza = user.get("exec")
        if not isinstance(stanza, dict):
            return None
        command = str(stanza.get("command") or "")
        if "/" in command and not Path(command).is_absolute():
            return {**stanza, "command": str(self.path.parent / command)}
        return dict(stanza)

    def _section(self, sections: dict[str, dict[str, Any]], kind: str, context: dict[str, Any]) -> dict[str, Any]:
        name = str(context.get(kind) or "")
        if name not in sections:
            raise self._problem(f"the context names the {kind} {name!r}, which the file does not have")
        return sections[name]

    def _bytes(self, section: dict[str, Any], key: str) -> bytes:
        """Read a `key-data` (base64) or `key` (file name) pair; data wins, as in kubectl."""
        if data := section.get(f"{key}-data"):
            try:
                return base64.b64decode("".join(str(data).split()), validate=True)
            except binascii.Error:
                raise self._problem(f"{key}-data is not base64") from None
        return self._file(str(section[key])) if section.get(key) else b""

    def _file(self, name: str) -> bytes:
        path = self.path.parent / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._problem(f"cannot read {path}: {error.strerror}") from None


def _listed(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none at all"


def _by_name(document: dict[str, Any], section: str, inner: str) -> dict[str, dict[str, Any]]:
    entries = document.get(section)
    found: dict[str, dict[str, Any]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get(inner), dict):
            found.setdefault(str(entry.get("name") or ""), entry[inner])
    return found


class _Read(NamedTuple):
    """A file as it was read; without a stamp where it may have been changed since without showing it."""

    stamp: _Stamp | None
    content: bytes
    kubeconfig: Kubeconfig


_read: LRUCache[Path, _Read] = LRUCache(16)
_reading = threading.Lock()


def read_kubeconfig(path: Path) -> Kubeconfig:
    """Read a kubeconfig file; it is parsed anew only when it has changed. Raises KubeconfigError when it is not one.

    A file of many members is asked for by each of them and every few seconds: parsing it takes a millisecond a member.
    Any thread may read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {error.strerror}") from None
    stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    with _reading:
        known = _read.get(path)
    if known is not None and known.stamp == stamp:
        return known.kubeconfig
    settled = time.time_ns() - status.st_ctime_ns > _SETTLED
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KubeconfigError(f"kubeconfig {path}: {error.strerror}") from None
    kubeconfig = known.kubeconfig if known is not None and known.content == content else _parse(path, content)
    with _reading:
        _read[path] = _Read(stamp if settled else None, content, kubeconfig)
    return kubeconfig


def _parse(path: Path, content: bytes) -> Kubeconfig:
    try:
        document = yaml.load(content.decode(), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise KubeconfigError(f"kubeconfig {path}: this is not YAML") from None
    if not isinstance(document, dict) or not isinstance(document.get("contexts"), list):
        raise KubeconfigError(f"kubeconfig {path}: this is not a kubeconfig, it has no contexts")
    return Kubeconfig(
        path=path,
        clusters=_by_name(document, "clusters", "cluster"),
        contexts=_by_name(document, "contexts", "context"),
        users=_by_name(document, "users", "user"),
        current_context=str(document.get("current-context") or ""),
    )


class KubeconfigCredentials:
    """Credentials of one context of a kubeconfig file, read from disk (or its plugin) each time they are asked for."""

    def __init__(self, path: Path, context: str | None = None) -> None:
        self._path = path
        self._context = context

    async def load(self) -> Credentials:
        """Read the file and run its plugin, if any. Raises CredentialError."""
        try:
            kubeconfig = read_kubeconfig(self._path)
            credentials = kubeconfig.credentials(self._context)
            plugin = kubeconfig.plugin(self._context)
        except KubeconfigError as error:
            raise CredentialError(str(error)) from None
        return credentials if plugin is None else await run_plugin(plugin, credentials)


async def run_plugin(stanza: dict[str, Any], credentials: Credentials) -> Credentials:
    """Run an exec plugin (client.authentication.k8s.io) and add what it answers. Raises CredentialError."""
    provider_module = await asyncio.to_thread(_import_plugin_runner)
    command = str(stanza.get("command") or "")
    try:
        async with asyncio.timeout(_PLUGIN_TIMEOUT):
            node = provider_module.ConfigNode("exec", stanza)
            status = await provider_module.ExecProvider(node).run()
    except TimeoutError:
        raise CredentialError(
            f"the credential plugin {command!r} did not answer within {_PLUGIN_TIMEOUT:.0f}s"
        ) from None
    except Exception as error:  # the library raises many kinds; the person who configured the plugin needs its words
        raise CredentialError(f"the credential plugin {command!r} failed: {error}") from error
    if not isinstance(status, dict):
        raise CredentialError(f"the credential plugin {command!r} answered without a status")
    return replace(
        credentials,
        token=str(status.get("token") or credentials.token),
        client_certificate=str(status.get("clientCertificateData") or "").encode() or credentials.client_certificate,
        client_key=str(status.get("clientKeyData") or "").encode() or credentials.client_key,
        expires=_expiry(status.get("expirationTimestamp")),
    )


def _import_plugin_runner() -> Any:
    from kubernetes_asyncio.config import kube_config

    return kube_config


def _expiry(timestamp: Any) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        return None


def member_contexts(kubeconfig: Kubeconfig, wanted: Sequence[str] = ()) -> list[str]:
    """Return the contexts that are members: those wanted, or all. Raises KubeconfigError for a missing one."""
    for name in wanted:
        if name not in kubeconfig.contexts:
            raise KubeconfigError(
                f"kubeconfig {kubeconfig.path}: there is no context {name!r}, only {_listed(kubeconfig.contexts)}"
            )
    return list(wanted) or list(kubeconfig.contexts)
