"""What readers ask for, and the same told independently of the code that is tested."""

from dataclasses import dataclass

from cache.watcher import Visible, everyone
from gateway.apimachinery.meta import JsonObject
from tests.cache.model.timeline import Wanted, key_of


def cluster_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["annotations"]["resource.karmada.io/cached-from-cluster"])


def original_name_of(obj: JsonObject) -> str:
    metadata = obj["metadata"]
    return str(metadata["annotations"].get("fleetgate.io/original-name", metadata["name"]))


def _tier(obj: JsonObject) -> str | None:
    return obj["metadata"].get("labels", {}).get("tier")


def _all(obj: JsonObject) -> bool:
    return True


@dataclass(frozen=True)
class View:
    """What is asked for, and the same told independently of the code that is tested."""

    query: dict[str, str]
    wanted: Wanted
    namespace: str = ""
    visible: Visible = everyone
    within: Wanted = _all
    """Of what can be seen at all: a page promises another one only where any of this is left."""
    single: bool = False
    """Whether it is one object, which is never read at an old version because of a limit."""
    counted: bool = False
    """Whether a page says how many objects remain: only where that is what is left."""


VIEWS = (
    View({}, _all, counted=True),
    View({}, lambda obj: obj["metadata"]["namespace"] == "other", namespace="other", counted=True),
    View(
        {"labelSelector": "tier=1"},
        lambda obj: obj["metadata"]["namespace"] == "default" and _tier(obj) == "1" and cluster_of(obj) != "a",
        namespace="default",
        visible=lambda cluster: cluster != "a",
        within=lambda obj: obj["metadata"]["namespace"] == "default" and cluster_of(obj) != "a",
    ),
    View(
        {},
        lambda obj: cluster_of(obj) != "b",
        visible=lambda cluster: cluster != "b",
        within=lambda obj: cluster_of(obj) != "b",
    ),
    View({"labelSelector": "tier=1"}, lambda obj: _tier(obj) == "1"),
    View({"labelSelector": "tier!=1"}, lambda obj: _tier(obj) != "1"),
    View({"labelSelector": "fleetgate.io/cluster in (a,c)"}, lambda obj: cluster_of(obj) in {"a", "c"}),
    View({"fieldSelector": "status.phase=Running"}, lambda obj: obj["status"]["phase"] == "Running"),
    View({"fieldSelector": "spec.nodeName=n1"}, lambda obj: obj["spec"]["nodeName"] == "n1"),
    View(
        {"fieldSelector": "spec.nodeName=n1,status.phase!=Failed", "labelSelector": "tier"},
        lambda obj: obj["spec"]["nodeName"] == "n1" and obj["status"]["phase"] != "Failed" and _tier(obj) is not None,
    ),
    View({"fieldSelector": "metadata.name=web"}, lambda obj: obj["metadata"]["name"] == "web"),
    View(
        # By the name that is served: alone it would also be read as that of `web` in b.
        {"fieldSelector": "metadata.name=web.b,metadata.namespace=default"},
        lambda obj: key_of(obj) == "default/web.b",
        namespace="default",
        single=True,
    ),
    View(
        {"fieldSelector": "status.phase!=Running"},
        lambda obj: obj["status"]["phase"] != "Running" and cluster_of(obj) == "a",
        visible=lambda cluster: cluster == "a",
        within=lambda obj: cluster_of(obj) == "a",
    ),
)
