"""Which container of a Pod a log or exec is about. Pure; texts are those of kube-apiserver and kubelet."""

from __future__ import annotations

from gateway.apimachinery import meta
from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.meta import JsonObject, field


def choose_container(pod: JsonObject, wanted: str) -> JsonObject:
    """Return a container by name, the only one for "". Raises ApiError 400 when that does not name exactly one."""
    containers = [each for each in field(pod, "spec", "containers") or [] if isinstance(each, dict)]
    first = [each for each in field(pod, "spec", "initContainers") or [] if isinstance(each, dict)]
    name = meta.name(pod)
    if not wanted:
        if len(containers) == 1:
            return containers[0]
        names = " ".join(str(each["name"]) for each in containers)
        text = f"a container name must be specified for pod {name}, choose one of: [{names}]"
        raise bad_request(text + (f" or one of the init containers: [{_names(first)}]" if first else ""))
    for container in [*containers, *first]:
        if container.get("name") == wanted:
            return container
    raise bad_request(f"container {wanted} is not valid for pod {name}")


def _names(containers: list[JsonObject]) -> str:
    return " ".join(str(each["name"]) for each in containers)


def container_status(pod: JsonObject, name: str) -> JsonObject | None:
    """Return the status of a container, None while it has none."""
    for part in ("containerStatuses", "initContainerStatuses"):
        for status in field(pod, "status", part) or []:
            if status.get("name") == name:
                return dict(status)
    return None
