"""Small surfaces for tests."""

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.surface import ApiGroup, ApiResource, ApiSubresource, ApiVersion
from gateway.storage.custom_resources.definition import served_definitions
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.resources import FEDERATION_RESOURCES

VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")


def resource(
    api_version: str, name: str, kind: str, *subresources: str, namespaced: bool = True, custom: bool = False
) -> ApiResource:
    home = GroupVersion.parse(api_version)
    return ApiResource(
        home.resource(name),
        home.kind(kind),
        namespaced=namespaced,
        singular=kind.lower(),
        verbs=VERBS,
        subresources=tuple(ApiSubresource(name, home.kind(kind), STATUS_VERBS) for name in subresources),
        custom=custom,
    )


def group(*resources: ApiResource, stale: bool = False) -> ApiGroup:
    """A group of one version."""
    home = resources[0].gvr.group_version
    return ApiGroup(home.group, (ApiVersion(home.version, resources, stale),))


NAMESPACES = resource("v1", "namespaces", "Namespace", "status", "finalize", namespaced=False)
CONFIG_MAPS = resource("v1", "configmaps", "ConfigMap")
NODES = resource("v1", "nodes", "Node", "proxy", "status", namespaced=False)
DEPLOYMENTS = resource("apps/v1", "deployments", "Deployment", "scale", "status")
TOYS = resource("shop.example.com/v1", "toys", "Toy", custom=True)

CORE = group(CONFIG_MAPS, NAMESPACES, NODES)
APPS = group(DEPLOYMENTS)
SHOP = group(TOYS)


class StubRegistry:
    """An embedded store's registry, as discovery sees it."""

    def __init__(self) -> None:
        self.generation = 1
        self._custom: list[ResourceDefinition] = []

    def add_crd(self, crd: JsonObject) -> None:
        """Serve a custom resource whose definition was established."""
        names = {"listKind": f"{crd['spec']['names']['kind']}List", **crd["spec"]["names"]}
        status = {"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]}
        self._custom += served_definitions({**crd, "status": status})
        self.generation += 1

    def resources(self) -> list[ResourceDefinition]:
        return [*FEDERATION_RESOURCES, *self._custom]

    def find_kind(self, gvk: GroupVersionKind) -> ResourceDefinition | None:
        return next((definition for definition in self.resources() if definition.gvk == gvk), None)


def toy_crd(**spec_properties: JsonObject) -> JsonObject:
    """A definition with two versions, of which only v1 has a schema worth the name."""
    schema = {
        "type": "object",
        "description": "A toy.",
        "properties": {"spec": {"type": "object", "properties": spec_properties}},
    }
    preserve = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "toys.shop.example.com"},
        "spec": {
            "group": "shop.example.com",
            "scope": "Namespaced",
            "names": {"plural": "toys", "singular": "toy", "kind": "Toy", "shortNames": ["ty"], "categories": ["all"]},
            "versions": [
                {"name": "v1beta1", "served": True, "storage": False, "schema": {"openAPIV3Schema": preserve}},
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                },
            ],
        },
    }
