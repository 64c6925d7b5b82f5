import asyncio
from dataclasses import replace

import pytest

from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.embedded import EmbeddedDiscovery, storage_version_hash
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.builders import StubRegistry, toy_crd
from tests.gateway.discovery.kube_apiserver import groups, recorded

TOY = GroupVersionKind("shop.example.com", "v1", "Toy")


def test_built_in_resources_are_listed_as_a_kube_apiserver_lists_them() -> None:
    """Verbs, names, categories: whatever the embedded store serves, kubectl sees it as it knows it."""
    real, ours = ApiSurface(groups()), ApiSurface(EmbeddedDiscovery(StubRegistry()).groups())
    compared = 0
    for group in ours.groups:
        for version in group.versions:
            for entry in version.resources:
                if (expected := real.find(entry.gvr)) is None:
                    assert entry.gvr.group == "cluster.karmada.io"
                    continue
                compared += 1
                names = {subresource.name for subresource in entry.subresources}
                assert names <= {subresource.name for subresource in expected.subresources}
                assert replace(entry, subresources=(), storage_version_hash="") == replace(expected, subresources=())
    assert compared > 25


def test_storage_version_hashes_are_those_of_a_kube_apiserver() -> None:
    listed = recorded()["legacy"]["/apis/apps/v1"]["resources"]
    expected = {entry["kind"]: entry["storageVersionHash"] for entry in listed if "storageVersionHash" in entry}
    assert {kind: storage_version_hash(GroupVersion("apps", "v1").kind(kind)) for kind in expected} == expected


def test_custom_resources_are_served_at_every_version_the_preferred_one_first() -> None:
    registry = StubRegistry()
    registry.add_crd(toy_crd())
    group = ApiSurface(EmbeddedDiscovery(registry).groups()).group("shop.example.com")
    assert group is not None
    assert [version.version for version in group.versions] == ["v1", "v1beta1"]
    (toys,) = group.versions[0].resources
    assert toys.custom
    assert [subresource.name for subresource in toys.subresources] == ["status"]


def test_the_gateway_answers_reviews_itself() -> None:
    surface = ApiSurface(EmbeddedDiscovery(StubRegistry()).groups())
    assert surface.find(GroupVersion("authorization.k8s.io", "v1").resource("selfsubjectaccessreviews")) is not None
    assert surface.find(GroupVersion("authentication.k8s.io", "v1").resource("tokenreviews")) is None


async def test_the_registry_always_knows() -> None:
    registry = StubRegistry()
    source = EmbeddedDiscovery(registry)
    assert source.synced
    assert source.schema(TOY) is None
    before = source.generation
    registry.add_crd(toy_crd(colour={"type": "string"}))
    await source.refresh()
    assert source.generation > before
    schema = source.schema(TOY)
    assert schema is not None
    assert schema["properties"]["spec"]["properties"] == {"colour": {"type": "string"}}
    assert source.version["gitVersion"].startswith("v1.")


async def test_it_runs_until_cancelled() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(EmbeddedDiscovery(StubRegistry()).run(), 0.01)
