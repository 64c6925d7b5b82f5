"""The configuration of `fleetgate serve`: grouped frozen records with unit, meaning of None and reason of each default.

Read strictly from a file of kind GatewayConfiguration by config_decoding; flags of the command line override it. Parts
take their own group (or single values) as keyword arguments, never the whole configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from admission.config import AdmissionConfig
from cache.resource_version import SLOTS
from gateway.audit.config import AuditConfig
from gateway.authorization.cluster_visibility import ALL, MODES
from gateway.clusters.cluster import SECRET_NAMESPACE
from gateway.config_decoding import ConfigError, decode_file, duration_field
from gateway.discovery.resource_name import parse_resource_names

API_VERSION = "config.fleetgate.io/v1alpha1"
KIND = "GatewayConfiguration"

DEFAULT_DATA_DIR = Path(".fleetgate")
"""Relative to the working folder, so that two checkouts never share a certificate authority by accident."""

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

MAX_WORKERS = 64

DEFAULT_LISTEN = "127.0.0.1:6443"
"""Loopback: a gateway is opened to a network on purpose, never by default."""


@dataclass(frozen=True, slots=True)
class ServingConfig:
    """How the gateway is reached."""

    listen: str = DEFAULT_LISTEN
    """HOST:PORT; an IPv6 host stands in brackets; port 0 picks a free one."""
    names: tuple[str, ...] = ()
    """Further DNS names and addresses for the serving certificate, for example that of a load balancer."""
    shutdown_grace: float = duration_field(30.0)
    """Seconds that requests in flight get after SIGTERM."""
    workers: int = 1
    """How many processes share the connections; more than one pays where reads need more than one core."""

    def __post_init__(self) -> None:
        """Refuse numbers without a meaning. Raises ValueError."""
        if not 1 <= self.workers <= MAX_WORKERS:
            raise ValueError(f"workers must be between 1 and {MAX_WORKERS}")


@dataclass(frozen=True, slots=True)
class FederationConfig:
    """Where federated objects live."""

    kubeconfig: str | None = None
    """A kubeconfig file of the remote store; None uses the embedded one."""
    context: str | None = None
    """A context of that file; None uses its current one."""
    discovery_interval: float = duration_field(10.0)
    """Seconds between looks at what a remote store serves; a new CRD is usable after at most that."""


@dataclass(frozen=True, slots=True)
class ResourcesConfig:
    """Which resources are served at all: what is not allowed is neither listed by discovery nor reachable."""

    allow: tuple[str, ...] = ("*",)
    """`deployments.apps`, `pods`, `*.apps`, or `*`; the merged kinds must be allowed too when this is set."""
    deny: tuple[str, ...] = ()
    """Taken away from what `allow` says, same form."""


@dataclass(frozen=True, slots=True)
class MembersConfig:
    """Where member clusters come from, and where their credentials may stand."""

    kubeconfig: str | None = None
    """A kubeconfig file whose contexts are members, named by context; None: Cluster objects only."""
    contexts: tuple[str, ...] = ()
    """Which of its contexts; empty means all."""
    secret_namespaces: tuple[str, ...] = (SECRET_NAMESPACE,)
    """Namespaces of the Secrets that Cluster objects may name: what `karmadactl join` and `fleetgate join` use. The
    gateway reads no other, for it would send what is in there to the address that the Cluster object says."""
    visibility: str = ALL
    """Whose Pods and Events a caller sees who may read them in the store: `All` members', as those of one cluster; or
    `ByClusterRight`, only of members that he may also `get` as Clusters."""

    def __post_init__(self) -> None:
        """Refuse a visibility that there is not."""
        if self.visibility not in MODES:
            raise ValueError(f"visibility must be one of {', '.join(MODES)}, not {self.visibility!r}")


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """The cross-cluster cache."""

    first_sync_wait: float = duration_field(3.0)
    """Seconds readiness waits for members that were never read; afterwards they are served with a warning."""
    snapshot: bool = True
    """Whether the cache is kept on disk, so that a restart goes on where the last run ended."""
    uncompressed_megabytes: int = 2048
    """Megabytes of objects that are kept as they are served; beyond that, those that nobody reads are compressed."""
    replica: int = 0
    """Which of several gateways over the same members this is, 0 to 31; each needs a number of its own."""
    shared: bool = False
    """Whether there are several, which tell each other through a remote federation store how far they have read the
    members, so that clients move from one to another without listing anew."""
    checkpoint_namespace: str = "fleetgate-system"
    """Where in the store they do."""
    member_megabytes: int = 2048
    """Most MiB of one kind that one member may have; what is beyond is not read, or one could fill the memory."""
    resources: tuple[str, ...] = ()
    """Further resources to read from members, beside Pods and Events: `nodes`, `jobs.batch`, `jobs.v1.batch`. Each
    takes the place of the store's resource of that name, so none is read unless it is wanted."""

    def __post_init__(self) -> None:
        """Refuse numbers without a meaning, and what names no resource of members. Raises ValueError."""
        if self.uncompressed_megabytes < 0:
            raise ValueError("uncompressedMegabytes must not be negative")
        if not 0 <= self.replica < SLOTS:
            raise ValueError(f"replica must be between 0 and {SLOTS - 1}")
        if self.member_megabytes < 1:
            raise ValueError("memberMegabytes must be at least 1")
        if not _NAMESPACE.fullmatch(self.checkpoint_namespace):
            raise ValueError(f"checkpointNamespace must name a namespace, not {self.checkpoint_namespace!r}")
        parse_resource_names(self.resources)


@dataclass(frozen=True, slots=True)
class AuthenticationConfig:
    """Whom the gateway knows beside the certificates it issued."""

    client_certificate_authorities: tuple[str, ...] = ()
    """PEM files of further authorities for client certificates; empty: the gateway's own alone."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """All of it."""

    data_dir: str | None = None
    """Everything the gateway keeps: its CA, admin.kubeconfig, the embedded store, audit/. None: ./.fleetgate."""
    serving: ServingConfig = field(default_factory=ServingConfig)
    federation: FederationConfig = field(default_factory=FederationConfig)
    resources: ResourcesConfig = field(default_factory=ResourcesConfig)
    members: MembersConfig = field(default_factory=MembersConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    authentication: AuthenticationConfig = field(default_factory=AuthenticationConfig)
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)


def load_config(path: Path) -> GatewayConfig:
    """Read a configuration file. Raises ConfigError naming the field and line of every mistake."""
    return decode_file(path, GatewayConfig, api_version=API_VERSION, kind_name=KIND)


def parse_listen(text: str) -> tuple[str, int]:
    """Split HOST:PORT. Raises ConfigError when it is neither a name nor an address with a port."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not bare or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"cannot listen on {text!r}: write HOST:PORT, for example 127.0.0.1:6443 or [::1]:6443")
    if bracketed != (":" in bare):
        raise ConfigError(f"cannot listen on {text!r}: an IPv6 address stands in brackets, nothing else does")
    return bare, int(port)
