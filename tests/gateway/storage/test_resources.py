"""The table of resources against what a kube-apiserver 1.36 says in discovery."""

import pytest

from gateway.apimachinery.patch.typed_schema import builtin_type
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.resources import CLUSTERS, FEDERATION_RESOURCES, MEMBER_RESOURCES, PODS

SUBRESOURCES = {
    "namespaces": {"finalize", "status"},
    "services": {"status"},
    "serviceaccounts": {"token"},
    "deployments": {"scale", "status"},
    "statefulsets": {"scale", "status"},
    "replicasets": {"scale", "status"},
    "daemonsets": {"status"},
    "jobs": {"status"},
    "cronjobs": {"status"},
    "customresourcedefinitions": {"status"},
    "configmaps": set(),
    "leases": set(),
    "pods": {"attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "status"},
    "nodes": {"status"},
}
SHORT_NAMES = {"deployments": ("deploy",), "customresourcedefinitions": ("crd", "crds"), "configmaps": ("cm",)}
ALL = {
    "services", "deployments", "daemonsets", "replicasets", "statefulsets", "jobs", "cronjobs", "pods",
    "horizontalpodautoscalers", "replicationcontrollers",
}  # fmt: skip


def ids(definition: ResourceDefinition) -> str:
    return f"{definition.gvr.resource}.{definition.gvk.api_version}"


def test_every_resource_is_listed_once() -> None:
    for resources in (FEDERATION_RESOURCES, MEMBER_RESOURCES):
        gvrs = [definition.gvr for definition in resources]
        assert len(set(gvrs)) == len(gvrs)


@pytest.mark.parametrize("definition", {*FEDERATION_RESOURCES, *MEMBER_RESOURCES} - {CLUSTERS}, ids=ids)
def test_a_built_in_kind_is_known_to_kubernetes(definition: ResourceDefinition) -> None:
    assert definition.builtin
    assert builtin_type(definition.gvk) is not None
    assert builtin_type(definition.storage_kind) is not None
    assert definition.singular == definition.kind.lower()
    assert definition.list_kind == f"{definition.kind}List"


@pytest.mark.parametrize("definition", MEMBER_RESOURCES, ids=ids)
def test_names_and_subresources_are_those_of_kube_apiserver(definition: ResourceDefinition) -> None:
    resource = definition.gvr.resource
    if resource in SUBRESOURCES:
        assert set(definition.subresources) == SUBRESOURCES[resource]
    if resource in SHORT_NAMES:
        assert definition.short_names == SHORT_NAMES[resource]
    assert ("all" in definition.categories) == (resource in ALL)
    assert ("deletecollection" in definition.verbs) == (resource != "namespaces")


def test_one_cluster_knows_no_field_of_ours() -> None:
    """A simulated member selects its Pods as a real one does."""
    assert "spec.nodeName" in PODS.field_labels
    assert [label for label in PODS.field_labels if "fleetgate" in label] == []


def test_pods_and_nodes_are_only_served_by_members() -> None:
    federation = {definition.gvr.resource for definition in FEDERATION_RESOURCES}
    members = {definition.gvr.resource for definition in MEMBER_RESOURCES}
    assert members - federation == {"pods", "nodes"}
    assert federation - members == {"clusters"}


def test_clusters_go_by_a_schema() -> None:
    assert not CLUSTERS.builtin
    assert CLUSTERS.schema is not None
    assert [column.name for column in CLUSTERS.columns if not column.priority] == ["Version", "Mode", "Ready", "Age"]
