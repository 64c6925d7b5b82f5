from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.merged_kinds import PODS
from gateway.discovery.openapi_operations import operation_prefix, resource_paths
from gateway.discovery.surface import ApiResource
from tests.gateway.discovery.builders import DEPLOYMENTS, NODES, TOYS

METHODS = {"get", "put", "post", "patch", "delete"}


def refer(gvk: GroupVersionKind) -> JsonObject:
    return {"$ref": gvk.kind}


def paths(resource: ApiResource) -> dict[str, Any]:
    return resource_paths(resource.gvr.group_version, resource, refer)


def actions(item: dict[str, Any]) -> dict[str, str]:
    return {method: operation["x-kubernetes-action"] for method, operation in item.items() if method in METHODS}


def test_every_route_of_a_resource_has_its_operations() -> None:
    prefix = "/apis/apps/v1/namespaces/{namespace}/deployments"
    assert {path: actions(item) for path, item in paths(DEPLOYMENTS).items()} == {
        "/apis/apps/v1/deployments": {"get": "list"},
        prefix: {"get": "list", "post": "post"},
        f"{prefix}/{{name}}": {"get": "get", "put": "put", "patch": "patch", "delete": "delete"},
        f"{prefix}/{{name}}/scale": {"get": "get", "put": "put", "patch": "patch"},
        f"{prefix}/{{name}}/status": {"get": "get", "put": "put", "patch": "patch"},
    }
    assert set(paths(NODES)) == {
        "/api/v1/nodes",
        "/api/v1/nodes/{name}",
        "/api/v1/nodes/{name}/proxy",
        "/api/v1/nodes/{name}/status",
    }


def test_kubectl_finds_the_kind_it_patches_and_the_fieldValidation_parameter_beside_it() -> None:
    patch = paths(TOYS)["/apis/shop.example.com/v1/namespaces/{namespace}/toys/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "shop.example.com", "version": "v1", "kind": "Toy"}
    assert [parameter["name"] for parameter in patch["parameters"] if parameter["in"] == "query"] == [
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
    ]


def test_custom_resources_take_no_strategic_merge_patch_and_no_protobuf() -> None:
    strategic = "application/strategic-merge-patch+json"
    toys = paths(TOYS)["/apis/shop.example.com/v1/namespaces/{namespace}/toys/{name}"]
    deployments = paths(DEPLOYMENTS)["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert strategic in deployments["patch"]["requestBody"]["content"]
    assert strategic not in toys["patch"]["requestBody"]["content"]
    assert set(toys["get"]["responses"]["200"]["content"]) == {"application/json", "application/yaml"}
    assert "application/vnd.kubernetes.protobuf" in deployments["get"]["responses"]["200"]["content"]


def test_bodies_and_answers_are_those_of_the_action() -> None:
    items = paths(DEPLOYMENTS)
    collection = items["/apis/apps/v1/namespaces/{namespace}/deployments"]
    item = items["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]

    def answer(operation: dict[str, Any], code: str = "200") -> str:
        name: str = operation["responses"][code]["content"]["application/json"]["schema"]["$ref"]
        return name

    assert answer(collection["get"]) == "DeploymentList"
    assert answer(collection["post"], "201") == "Deployment"
    assert answer(item["delete"]) == "Status"
    assert collection["post"]["requestBody"]["content"]["*/*"]["schema"] == {"$ref": "Deployment"}
    assert item["delete"]["requestBody"]["content"]["*/*"]["schema"] == {"$ref": "DeleteOptions"}
    assert "requestBody" not in item["get"]


def test_streams_and_logs_are_text() -> None:
    items = paths(PODS)
    pod = "/api/v1/namespaces/{namespace}/pods/{name}"
    assert actions(items[f"{pod}/exec"]) == {"get": "connect", "post": "connect"}
    assert actions(items[f"{pod}/log"]) == {"get": "get"}
    for path in (f"{pod}/exec", f"{pod}/log"):
        assert items[path]["get"]["responses"]["200"]["content"] == {"*/*": {"schema": {"type": "string"}}}
    assert actions(items["/api/v1/namespaces/{namespace}/pods"]) == {
        "get": "list",
        "post": "post",
        "delete": "deletecollection",
    }


def test_path_parameters_are_declared() -> None:
    item = paths(DEPLOYMENTS)["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert [parameter["name"] for parameter in item["parameters"]] == ["name", "namespace"]
    assert "parameters" not in paths(DEPLOYMENTS)["/apis/apps/v1/deployments"]


def test_operation_ids_are_those_of_kubernetes_and_differ() -> None:
    items = {**paths(PODS), **paths(DEPLOYMENTS), **paths(TOYS)}
    ids = [operation["operationId"] for item in items.values() for name, operation in item.items() if name in METHODS]
    assert len(ids) == len(set(ids))
    assert {
        "readCoreV1NamespacedPodLog",
        "connectCoreV1GetNamespacedPodExec",
        "deleteCoreV1CollectionNamespacedPod",
        "listAppsV1DeploymentForAllNamespaces",
        "replaceAppsV1NamespacedDeploymentScale",
        "patchShopExampleComV1NamespacedToy",
    } <= set(ids)


def test_operation_prefixes() -> None:
    assert operation_prefix(GroupVersion("", "v1")) == "CoreV1"
    assert operation_prefix(GroupVersion("rbac.authorization.k8s.io", "v1")) == "RbacAuthorizationV1"
    assert operation_prefix(GroupVersion("apps.kruise.io", "v1alpha1")) == "AppsKruiseIoV1alpha1"
