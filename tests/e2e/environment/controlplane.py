"""One Kubernetes control plane of real programs: kube-apiserver, kube-controller-manager, and for a member cluster
kube-scheduler and a kwok as the kubelet of all its nodes.

Each has certificates of its own, so that no credential of one cluster is good for another.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.environment.client import Client
from tests.e2e.environment.etcd import Etcd
from tests.e2e.environment.kubelet import WebPage, kwok_configuration
from tests.e2e.environment.pki import CertificateAuthority, KeyPair, write_service_account_key
from tests.e2e.environment.ports import free_port
from tests.e2e.environment.process import Process

# What any API server needs for namespaces to end, owners to take their dependents along, and identities to exist.
STORE_CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "resourcequota-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "certificatesigningrequest-signing-controller",
    "certificatesigningrequest-approving-controller",
    "clusterrole-aggregation-controller",
)
# What turns workloads into Pods; it is absent in the federation, whose workloads belong to the members.
WORKLOAD_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
    "disruption-controller",
    "horizontal-pod-autoscaler-controller",
    "endpoints-controller",
    "endpointslice-controller",
)
# They need service accounts' tokens, taints or classes that nothing here provides.
DISABLED_ADMISSION = "ServiceAccount,TaintNodesByCondition,Priority,StorageObjectInUseProtection"

COMPONENTS = ("system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "kwok")
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    # The control plane's talk with itself would bury what clients do.
    "rules": [{"level": "None", "users": list(COMPONENTS)}, {"level": "Metadata"}],
}


@dataclass(frozen=True)
class Kubeconfig:
    """What a kubeconfig file says: one cluster, one user, one context."""

    name: str
    url: str
    ca: bytes
    identity: KeyPair

    def write(self, path: Path) -> Path:
        """Write it with everything embedded, readable for its owner only."""
        cluster = {"server": self.url, "certificate-authority-data": _base64(self.ca)}
        user = {
            "client-certificate-data": _base64(self.identity.certificate),
            "client-key-data": _base64(self.identity.key),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": self.name, "user": user}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": self.name}}],
            "current-context": self.name,
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path


class ControlPlane:
    """One cluster. `kill`, `freeze`, `thaw`, `restart` and `pid` are those of its kube-apiserver, whose address stays.

    Attributes:
        name: Of the cluster, and of the context in its kubeconfigs.
        folder: Everything it writes.
        url: Of its kube-apiserver.
        ca: File of the authority that signed its serving certificate and its client certificates.
        kubeconfig: File of a user in the group system:masters.
        client: Plain requests as that user.
        etcd: Where it keeps its state; maybe shared with others.
        container_log: The log of every container of a member, in the format of container runtimes.
    """

    def __init__(self, name: str, folder: Path, programs: Mapping[str, Path], etcd: Etcd, *, runs_pods: bool) -> None:
        """Make its certificates and configuration; nothing is started yet."""
        self.name = name
        self.folder = folder
        self.etcd = etcd
        self._programs = programs
        self._authority = CertificateAuthority(folder / "pki", "ca")
        self._front_proxy_authority = CertificateAuthority(folder / "pki", "front-proxy-ca")
        self._serving = self._authority.issue_loopback_server("kube-apiserver")
        write_service_account_key(folder / "pki" / "service-account.key")
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca = self._authority.certificate_file
        self.container_log = folder / "container.log"
        self._audit_log = folder / "audit.log"
        admin = self._authority.issue_client("admin", ["system:masters"])
        self.client = Client(self.url, self.ca, admin)
        self.kubeconfig = Kubeconfig(name, self.url, self._authority.certificate, admin).write(folder / "kubeconfig")
        self.apiserver = self._process("kube-apiserver", *self._apiserver_arguments())
        self._others = [self._controller_manager(runs_pods=runs_pods)]
        self._web_page = WebPage(name) if runs_pods else None
        if self._web_page is not None:
            self._others += [self._scheduler(), self._kwok(self._web_page.port)]

    @property
    def pid(self) -> int:
        """The process id of the kube-apiserver."""
        return self.apiserver.pid

    def start(self) -> None:
        """Start the kube-apiserver; `wait_until_ready` starts the rest."""
        self.apiserver.start()

    def wait_until_ready(self) -> None:
        """Wait for the kube-apiserver, start what works on it, and wait until that has begun its work."""
        self.apiserver.wait_until(lambda: self.client.succeeds("/readyz"), timeout=60)
        for process in self._others:
            process.start()
        # The first thing that needs the controllers, and that every client expects.
        self._others[0].wait_until(
            lambda: self.client.succeeds("/api/v1/namespaces/default/serviceaccounts/default"), timeout=60
        )

    def kill(self) -> None:
        """End the kube-apiserver by SIGKILL: connections are refused from now on."""
        self.apiserver.kill()

    def freeze(self) -> None:
        """Halt the kube-apiserver by SIGSTOP: connections are accepted and nothing is answered."""
        self.apiserver.freeze()

    def thaw(self) -> None:
        """Let a frozen kube-apiserver go on."""
        self.apiserver.thaw()

    def restart(self) -> None:
        """Start the kube-apiserver anew at its address, whatever state it is in, and wait until it is ready."""
        self.apiserver.restart()
        self.apiserver.wait_until(lambda: self.client.succeeds("/readyz"), timeout=60)

    def stop(self) -> None:
        """Stop all of it, except the etcd."""
        for process in (*self._others, self.apiserver):
            process.kill()
        if self._web_page is not None:
            self._web_page.close()

    def issue_kubeconfig(self, user: str, groups: Sequence[str] = ()) -> Path:
        """A new kubeconfig file for that user and those groups at this kube-apiserver."""
        identity = self._authority.issue_client(user, groups)
        path = identity.certificate_file.with_suffix(".kubeconfig")
        return Kubeconfig(self.name, self.url, self._authority.certificate, identity).write(path)

    def audit_events(self) -> list[dict[str, Any]]:
        """The kube-apiserver's audit events so far, one a request at level Metadata; without the components' own."""
        if not self._audit_log.exists():
            return []
        # A last line without its end is still being written.
        lines = self._audit_log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def log_line(self, text: str) -> None:
        """Append a line to the log of every container, now."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        with self.container_log.open("a") as log:
            log.write(f"{now} stdout F {text}\n")

    def _process(self, program: str, *arguments: str) -> Process:
        return Process(
            f"{program} of {self.name}", [self._programs[program], *arguments], self.folder / f"{program}.log"
        )

    def _apiserver_arguments(self) -> list[str]:
        pki = self.folder / "pki"
        front_proxy = self._front_proxy_authority.issue_client("front-proxy-client")
        kubelet_client = self._authority.issue_client("kube-apiserver-kubelet-client")
        audit_policy = self.folder / "audit-policy.yaml"
        audit_policy.write_text(yaml.safe_dump(AUDIT_POLICY))
        flags = {
            "etcd-servers": self.etcd.url,
            "etcd-prefix": f"/{self.name}",
            # Tests ask for versions of long ago; what is to be compacted, a test compacts by itself.
            "etcd-compaction-interval": "0",
            "secure-port": self._port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": "10.96.0.0/16",
            "tls-cert-file": self._serving.certificate_file,
            "tls-private-key-file": self._serving.key_file,
            "client-ca-file": self.ca,
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": pki / "service-account.key",
            "service-account-signing-key-file": pki / "service-account.key",
            "requestheader-client-ca-file": self._front_proxy_authority.certificate_file,
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": front_proxy.certificate_file,
            "proxy-client-key-file": front_proxy.key_file,
            "kubelet-client-certificate": kubelet_client.certificate_file,
            "kubelet-client-key": kubelet_client.key_file,
            "kubelet-preferred-address-types": "InternalIP,Hostname",
            "authorization-mode": "Node,RBAC",
            "allow-privileged": "true",
            "disable-admission-plugins": DISABLED_ADMISSION,
            "audit-policy-file": audit_policy,
            "audit-log-path": self._audit_log,
            "profiling": "false",
        }
        return [f"--{flag}={value}" for flag, value in flags.items()]

    def _controller_manager(self, *, runs_pods: bool) -> Process:
        controllers = STORE_CONTROLLERS + (WORKLOAD_CONTROLLERS if runs_pods else ())
        return self._process(
            "kube-controller-manager",
            f"--kubeconfig={self.issue_kubeconfig('system:kube-controller-manager', ['system:masters'])}",
            f"--controllers={','.join(controllers)}",
            f"--service-account-private-key-file={self.folder / 'pki' / 'service-account.key'}",
            f"--root-ca-file={self.ca}",
            f"--cluster-signing-cert-file={self.ca}",
            f"--cluster-signing-key-file={self._authority.key_file}",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )

    def _scheduler(self) -> Process:
        kubeconfig = self.issue_kubeconfig("system:kube-scheduler", ["system:masters"])
        configuration = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 200, "burst": 400},
            "leaderElection": {"leaderElect": False},
        }
        path = self.folder / "scheduler.yaml"
        path.write_text(yaml.safe_dump(configuration))
        return self._process("kube-scheduler", f"--config={path}", "--secure-port=0")

    def _kwok(self, web_page_port: int) -> Process:
        self.log_line(f"hello from {self.name}")
        configuration = self.folder / "kwok.yaml"
        configuration.write_text(
            kwok_configuration(
                self.name,
                port=free_port(),
                serving=self._authority.issue_loopback_server("kubelet"),
                log_file=self.container_log,
                web_page_port=web_page_port,
                folder=self.folder,
            )
        )
        kubeconfig = self.issue_kubeconfig("kwok", ["system:masters"])
        return self._process("kwok", f"--kubeconfig={kubeconfig}", f"--config={configuration}")


def _base64(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
