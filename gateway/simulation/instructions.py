"""What the demo tells its user to type: kubectl lines, or the same with curl where kubectl is absent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TABLE = "'Accept: application/json;as=Table;v=v1;g=meta.k8s.io'"
_DEPLOYMENT = (
    '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":5,'
    '"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},'
    '"spec":{"containers":[{"name":"nginx","image":"nginx"}]}}}}'
)


@dataclass(frozen=True, slots=True)
class Member:
    """A member that runs: its name and process id."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the gateway: its URL, the administrator's kubeconfig, and the same as PEM files for curl."""

    url: str
    kubeconfig: Path
    ca: Path
    certificate: Path
    key: Path


def kubectl_lines(access: Access) -> list[str]:
    """Return the lines to type with kubectl."""
    kubectl = f"kubectl --kubeconfig {access.kubeconfig}"
    return [
        f"{kubectl} get pods -A -o wide",
        f"{kubectl} create deployment web --image=nginx --replicas=5",
        f"{kubectl} rollout status deployment/web",
        f"{kubectl} get pods -o wide",
        f"{kubectl} logs deployment/web --tail=5",
        f"{kubectl} exec deployment/web -- hostname",
        f"{kubectl} get events",
        f"{kubectl} get nodes,replicasets",
        f"{kubectl} scale deployment/web --replicas=3",
        f"{kubectl} scale deployment/web --replicas=0    # refused: that is what the gateway guards against",
        f"{kubectl} delete deployment web",
    ]


def curl_lines(access: Access) -> list[str]:
    """Return lines that do the same with curl."""
    curl = f"curl --cacert {access.ca} --cert {access.certificate} --key {access.key}"
    deployments = f"{access.url}/apis/apps/v1/namespaces/default/deployments"
    pods = f"{access.url}/api/v1/namespaces/default/pods"
    json = "-H 'Content-Type: application/json'"
    return [
        f"{curl} {access.url}/api/v1/pods",
        f"{curl} -H {_TABLE} {access.url}/api/v1/pods",
        f"{curl} -X POST {json} -d '{_DEPLOYMENT}' {deployments}",
        f"{curl} {deployments}/web/status",
        f"{curl} '{pods}?labelSelector=app=web'",
        f"{curl} '{pods}/NAME/log?tailLines=5'    # NAME: one of those",
        f"{curl} -X PATCH -H 'Content-Type: application/merge-patch+json' "
        f'-d \'{{"spec":{{"replicas":3}}}}\' {deployments}/web/scale',
        f"{curl} -X DELETE {deployments}/web",
    ]


def instructions(access: Access, members: Sequence[Member], data_dir: Path, *, kubectl: bool) -> list[str]:
    """Return everything that is printed once the demo runs."""
    head = "Try it from another terminal:"
    if not kubectl:
        head = "kubectl is not installed here (https://kubernetes.io/docs/tasks/tools/). The same with curl:"
    lines = kubectl_lines(access) if kubectl else curl_lines(access)
    last = members[-1]
    return [
        "",
        head,
        "",
        *(f"  {line}" for line in lines),
        "",
        f"An outage: `kill -STOP {last.pid}` freezes {last.name}, `kill -CONT {last.pid}` lets it go on, "
        f"`kill {last.pid}` ends it.",
        f"Ctrl-C ends the demo. Everything is kept in {data_dir} for the next start.",
    ]
