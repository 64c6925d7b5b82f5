"""The servers of a run, each a process of its own.

The comparison and a member are real kube-apiservers; fast members (member.py), and gateways.
"""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlsplit

import yaml

from bench import corpus
from bench.client import Connection, Endpoint
from bench.meter import CLIENT_CORES, SERVER_CORES, cpu_seconds, on, resident_bytes
from bench.target import Target
from tests.e2e.environment.controlplane import ControlPlane, Kubeconfig
from tests.e2e.environment.etcd import Etcd
from tests.e2e.environment.pki import CertificateAuthority
from tests.e2e.environment.ports import free_port
from tests.e2e.environment.process import Process

CALLER, GROUP = "bench", "bench-callers"
"""Who sends every measured request: authorised by RBAC rules, never a superuser that is let past them."""
_BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
_BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "bench"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": GROUP}],
}
_SYNC_TIMEOUT = 600.0
_TRANSACTION = 100  # etcd takes 128 operations and 1.5 MiB at once


class Source:
    """Where the Pods behind a server are changed, past that server."""

    def put(self, index: int, sent: str, life: int = 0) -> None:
        """Make or change one Pod: `sent` goes into its annotation, `life` into its uid."""
        raise NotImplementedError

    def delete(self, index: int) -> None:
        """Delete one Pod."""
        raise NotImplementedError

    def change(self, index: int) -> None:
        """Change one Pod, now."""
        self.put(index, str(time.time_ns()))


class EtcdPods(Source):
    """Pods as a kube-apiserver keeps them in etcd."""

    def __init__(self, etcd: Etcd, prefix: str) -> None:
        address = urlsplit(etcd.url)
        assert address.hostname is not None
        self._connection = HTTPConnection(address.hostname, address.port, timeout=30)
        self._prefix = prefix

    def fill(self, indexes: Iterable[int]) -> None:
        """Write Pods, many at once."""
        rest = iter(indexes)
        while batch := [self._put(index, corpus.pod_protobuf(index)) for index in islice(rest, _TRANSACTION)]:
            self._commit(batch)

    def put(self, index: int, sent: str, life: int = 0) -> None:
        """Write one Pod."""
        self._commit([self._put(index, corpus.changed(corpus.pod_protobuf(index), sent, life))])

    def delete(self, index: int) -> None:
        """Delete one Pod."""
        self._commit([{"requestDeleteRange": {"key": self._key(index)}}])

    def _put(self, index: int, value: bytes) -> Any:
        return {"requestPut": {"key": self._key(index), "value": base64.b64encode(value).decode()}}

    def _key(self, index: int) -> str:
        key = f"/{self._prefix}/pods/{corpus.namespace(index)}/{corpus.name(index)}"
        return base64.b64encode(key.encode()).decode()

    def _commit(self, operations: Sequence[Any]) -> None:
        self._connection.request("POST", "/v3/kv/txn", json.dumps({"success": operations}))
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise RuntimeError(f"etcd: {response.status} {content[:500]!r}")


class FastMembers(Source):
    """A process that serves fast members; a context manager."""

    def __init__(self, folder: Path, *, first: int, end: int, members: int) -> None:
        """Start it and wait until it serves the Pods from `first` to before `end`."""
        folder.mkdir(parents=True)
        authority = CertificateAuthority(folder / "pki", "members-ca")
        serving = authority.issue_loopback_server("member")
        ports = [free_port() for _ in range(members)]
        identity = authority.issue_client("fleetgate")
        self.kubeconfigs = [
            Kubeconfig(f"fast{n}", f"https://127.0.0.1:{port}", authority.certificate, identity).write(
                folder / f"fast{n}.kubeconfig"
            )
            for n, port in enumerate(ports)
        ]
        command = [
            *(sys.executable, "-m", "bench.member", "--first", str(first), "--end", str(end)),
            *("--ports", ",".join(map(str, ports)), "--ca", str(authority.certificate_file)),
            *("--certificate", str(serving.certificate_file), "--key", str(serving.key_file)),
        ]
        with on(CLIENT_CORES):
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._input, output = _pipes(self._process)
        if not output.readline():
            raise RuntimeError("the fast members have ended")

    def put(self, index: int, sent: str, life: int = 0) -> None:
        """Make or change one Pod."""
        self._say(f"put {index} {sent} {life}")

    def delete(self, index: int) -> None:
        """Delete one Pod."""
        self._say(f"delete {index}")

    def down(self, member: int) -> None:
        """Let a member hang up on everybody, and refuse connections."""
        self._say(f"down {member}")

    def up(self, member: int) -> None:
        """Let it accept connections again."""
        self._say(f"up {member}")

    def _say(self, command: str) -> None:
        self._input.write(f"{command}\n")
        self._input.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._input.close()
        self._process.wait(10)


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@dataclass(frozen=True)
class Use:
    """What a process has used until some moment: CPU seconds and bytes in RAM."""

    cpu: float
    memory: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Until now."""
        return cls(cpu_seconds(pid), resident_bytes(pid))


class Gateway:
    """A `fleetgate serve` on the servers' core, with the embedded store; a context manager.

    Attributes:
        target: How the caller reaches it.
        empty: What it had used when it was ready, without members.
        synced: What it had used when it had read its members.
    """

    def __init__(
        self,
        folder: Path,
        kubeconfigs: Sequence[Path],
        *,
        uncompressed: int = 1_000_000,
        workers: int = 1,
        timeout: float = _SYNC_TIMEOUT,
    ) -> None:
        """Start it, give it the members of those kubeconfig files, and wait until it has read them.

        Of its objects so many megabytes are not compressed; by default all. `workers` is the number of its processes.
        """
        folder.mkdir(parents=True)
        self._folder = folder
        self._member_file = folder / "members.kubeconfig"
        self.join([])
        config = {
            "apiVersion": "config.fleetgate.io/v1alpha1",
            "kind": "GatewayConfiguration",
            "serving": {"listen": f"127.0.0.1:{free_port()}", "workers": workers},
            "members": {"kubeconfig": str(self._member_file)},
            "cache": {"uncompressedMegabytes": uncompressed},
        }
        path = folder / "gateway.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(path)]
        command += ["--data-dir", str(folder / "data")]
        self.process = Process("fleetgate", command, folder / "gateway.log")
        with on(SERVER_CORES):
            self.process.start()
        try:
            self.process.wait_until(lambda: "fleetgate is ready" in self.process.log.read_text(), 120)
            self._admin = Endpoint.of(folder / "data" / "admin.kubeconfig")
            self.target = self._authorised()
            self.empty = Use.of(self.process.pid)
            self.join(kubeconfigs)
            self._await_members(len(kubeconfigs), timeout)
            self.synced = Use.of(self.process.pid)
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def join(self, kubeconfigs: Sequence[Path]) -> None:
        """Give it the members of those files, and no others; it looks after some seconds."""
        self._member_file.write_text(yaml.safe_dump(_merged(kubeconfigs)))

    @property
    def pids(self) -> Sequence[int]:
        """Its processes, the first of them the one that was started."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def metrics(self) -> str:
        """What /metrics says."""
        with Connection(self._admin) as admin:
            return admin.request("GET", "/metrics", keep=True).body.decode()

    def _await_members(self, count: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with Connection(self._admin) as admin:
            while True:
                lines = admin.request("GET", "/readyz?verbose", keep=True).body.decode().splitlines()
                if sum(line.startswith("[i]cluster/") and line.endswith(" ok") for line in lines) == count:
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{count} members are not read: {lines}")
                # Rarely, for the question itself costs what is measured.
                time.sleep(0.5)

    def _authorised(self) -> Target:
        with Connection(self._admin) as admin:
            admin.json("POST", _BINDINGS, _BINDING)
        kubeconfig = self._folder / "bench.kubeconfig"
        command = [sys.executable, "-m", "gateway", "certs", "issue", CALLER, "--group", GROUP]
        subprocess.run(
            [*command, "--data-dir", self._folder / "data", "--out", kubeconfig], check=True, stdout=subprocess.DEVNULL
        )
        return Target("fleetgate", self.process.pid, Endpoint.of(kubeconfig))


def _merged(kubeconfigs: Sequence[Path]) -> dict[str, Any]:
    documents = [yaml.safe_load(file.read_text()) for file in kubeconfigs]
    parts = ("clusters", "users", "contexts")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        **{part: [entry for document in documents for entry in document[part]] for part in parts},
    }


class RealServers:
    """An etcd and two real kube-apiservers: the comparison with all Pods, and a small member; a context manager."""

    def __init__(self, programs: dict[str, Path], folder: Path, *, pods: int, member_pods: int) -> None:
        """Start them and wait until they serve their Pods."""
        self._stack = ExitStack()
        self.folder = folder
        self._programs = programs
        self._etcd = etcd = Etcd(programs["etcd"], folder / "etcd")
        self.pods = EtcdPods(etcd, "comparison")
        self.comparison_plane = ControlPlane("comparison", folder / "comparison", programs, etcd, runs_pods=False)
        self.member_plane = ControlPlane("real", folder / "real", programs, etcd, runs_pods=False)
        try:
            with on(CLIENT_CORES):
                etcd.start()
                self._stack.callback(etcd.process.kill)
                self.pods.fill(range(pods))
                EtcdPods(etcd, "real").fill(range(member_pods))
                self.member = self._start(self.member_plane)
            with on(SERVER_CORES):
                self.comparison = self._start(self.comparison_plane)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def another(self, name: str, pods: int) -> tuple[Target, EtcdPods]:
        """A further kube-apiserver on the servers' core, with so many Pods; it ends with the others."""
        source = EtcdPods(self._etcd, name)
        source.fill(range(pods))
        plane = ControlPlane(name, self.folder / name, self._programs, self._etcd, runs_pods=False)
        with on(SERVER_CORES):
            return self._start(plane), source

    def _start(self, plane: ControlPlane) -> Target:
        # The kube-apiserver alone: controllers would work on the Pods while they are measured.
        plane.start()
        self._stack.callback(plane.stop)
        plane.apiserver.wait_until(lambda: plane.client.succeeds("/readyz"), 300)
        with Connection(Endpoint.of(plane.kubeconfig)) as admin:
            admin.json("POST", _BINDINGS, _BINDING)
            for namespace in corpus.NAMESPACES:
                admin.json("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        return Target("kube-apiserver", plane.pid, Endpoint.of(plane.issue_kubeconfig(CALLER, [GROUP])))
