"""kwok's configuration as the kubelet of a member: it makes nodes ready, runs Pods, and streams logs, exec, attach
and port-forward to this machine.

Pods have one shared log file, commands run on this machine, port 7 of every Pod is an echo (`cat`), and every other
port is the web page of `WebPage`, which names the member.
"""

import http.server
import threading
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.environment.pki import KeyPair

ECHO_PORT = 7

_NODE_READY = """
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }}, \
message: {{ .message | Quote }}, lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ NodeName | Quote }}}
daemonEndpoints:
  kubeletEndpoint:
    Port: {{ NodePort }}
phase: Running
"""

_POD_RUNNING = """
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
conditions:
{{ range $type := (list "PodReadyToStartContainers" "Initialized" "Ready" "ContainersReady" "PodScheduled") }}
- {type: {{ $type | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ printf "%s@sha256:0" .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
{{ with .spec.initContainers }}
initContainerStatuses:
{{ range . }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
{{ end }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
{{ with PodIPsWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
"""

_POD_SUCCEEDED = """
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
"""


def kwok_configuration(
    name: str, *, port: int, serving: KeyPair, log_file: Path, web_page_port: int, folder: Path
) -> str:
    """The whole configuration file of the kwok of the member `name`, which serves as kubelet on `port`."""
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    of_job = {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}

    def in_phase(phase: str) -> dict[str, Any]:
        return {"key": ".status.phase", "operator": "In", "values": [phase]}

    not_ready = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "NotIn",
        "values": ["True"],
    }
    started = {"event": {"type": "Normal", "reason": "Started", "message": "Started containers"}}
    deleting = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    documents = [
        _document("KwokConfiguration", "kwok", options=_options(port, serving)),
        _stage("node-ready", "Node", [not_ready], [_status(_NODE_READY)]),
        _stage("pod-running", "Pod", [alive, in_phase("Pending"), not_ready], [_status(_POD_RUNNING), started]),
        _stage("pod-succeeded", "Pod", [alive, in_phase("Running"), of_job], [_status(_POD_SUCCEEDED)]),
        _stage("pod-deleted", "Pod", [deleting], [{"delete": True}]),
        _document("ClusterLogs", "logs", spec={"logs": [{"logsFile": str(log_file), "follow": True}]}),
        _document("ClusterAttach", "attach", spec={"attaches": [{"logsFile": str(log_file)}]}),
        _document(
            "ClusterExec",
            "exec",
            spec={"execs": [{"local": {"workDir": str(folder), "envs": [{"name": "MEMBER", "value": name}]}}]},
        ),
        _document(
            "ClusterPortForward",
            "port-forward",
            spec={
                "forwards": [
                    {"ports": [ECHO_PORT], "command": ["cat"]},
                    {"target": {"address": "127.0.0.1", "port": web_page_port}},
                ]
            },
        ),
    ]
    return yaml.safe_dump_all(documents, sort_keys=False)


def _options(port: int, serving: KeyPair) -> dict[str, Any]:
    # A configuration file takes the place of all defaults; without the parallelism nothing moves.
    return {
        "manageAllNodes": True,
        "nodeIP": "127.0.0.1",
        "nodePort": port,
        "serverAddress": f"127.0.0.1:{port}",
        "tlsCertFile": str(serving.certificate_file),
        "tlsPrivateKeyFile": str(serving.key_file),
        "cidr": "10.0.0.1/16",
        "enableDebuggingHandlers": True,
        "nodePlayStageParallelism": 4,
        "podPlayStageParallelism": 8,
        "podsOnNodeSyncParallelism": 4,
        "enablePodsOnNodeSyncStreamWatch": True,
        # No leases: nothing here judges nodes by them.
        "nodeLeaseDurationSeconds": 0,
    }


def _document(kind: str, name: str, **content: Any) -> dict[str, Any]:
    group = "config.kwok.x-k8s.io" if kind == "KwokConfiguration" else "kwok.x-k8s.io"
    return {"apiVersion": f"{group}/v1alpha1", "kind": kind, "metadata": {"name": name}, **content}


def _stage(name: str, kind: str, when: list[dict[str, Any]], steps: list[dict[str, Any]]) -> dict[str, Any]:
    spec = {"resourceRef": {"apiGroup": "v1", "kind": kind}, "selector": {"matchExpressions": when}, "steps": steps}
    return _document("Stage", name, spec=spec)


def _status(template: str) -> dict[str, Any]:
    return {"patch": {"subresource": "status", "root": "status", "template": template}}


class WebPage:
    """What listens in every Pod of a member: any GET is answered with the member's name and the path."""

    def __init__(self, name: str) -> None:
        """It serves in a thread of its own from now on, on a port of the kernel's choice."""

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = f"{name} {self.path}\n".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name=f"web page of {name}", daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
