from typing import Any

from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.parsing import parse_aggregated, parse_group_list, parse_resource_list
from gateway.discovery.surface import ApiGroup, ApiSurface, ApiVersion
from tests.gateway.discovery.builders import TOYS
from tests.gateway.discovery.kube_apiserver import groups, recorded

SHOP = GroupVersion("shop.example.com", "v1")


def listed(*versions: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"metadata": {"name": SHOP.group}, "versions": list(versions)}]}


def test_both_forms_of_a_kube_apiservers_documents_say_the_same() -> None:
    legacy = recorded()["legacy"]
    aggregated = ApiSurface(groups())
    for name, versions in (*parse_group_list(legacy["/api"]), *parse_group_list(legacy["/apis"])):
        group = aggregated.group(name)
        assert group is not None
        assert tuple(version.version for version in group.versions) == versions
        for version in versions:
            home = GroupVersion(name, version)
            read = parse_resource_list(legacy[home.path], home)
            for resource in read.resources:
                found = aggregated.find(resource.gvr)
                assert found is not None
                assert (
                    found.gvk,
                    found.verbs,
                    found.namespaced,
                    found.singular,
                    found.short_names,
                    found.categories,
                ) == (
                    resource.gvk,
                    resource.verbs,
                    resource.namespaced,
                    resource.singular,
                    resource.short_names,
                    resource.categories,
                )
                assert sorted(found.subresources, key=str) == sorted(resource.subresources, key=str)


def test_custom_kinds_are_told_from_those_of_kubernetes() -> None:
    surface = ApiSurface(groups())
    custom = {entry.kind for group in surface.groups for v in group.versions for entry in v.resources if entry.custom}
    assert custom == {"CloneSet"}


def test_a_scale_lives_in_its_own_group() -> None:
    deployment = ApiSurface(groups()).find_kind(GroupVersionKind("apps", "v1", "Deployment"))
    assert deployment is not None
    scale = deployment.subresource("scale")
    assert scale is not None
    assert scale.gvk == GroupVersionKind("autoscaling", "v1", "Scale")


def test_a_stale_version_without_resources_keeps_those_known_before() -> None:
    known = {SHOP: ApiVersion("v1", (TOYS,))}
    stale = listed({"version": "v1", "freshness": "Stale"})
    assert parse_aggregated(stale, known) == (ApiGroup(SHOP.group, (ApiVersion("v1", (TOYS,), stale=True),)),)
    assert parse_aggregated(stale, {}) == (ApiGroup(SHOP.group, (ApiVersion("v1", (), stale=True),)),)


def test_a_stale_version_with_resources_is_taken_as_it_is() -> None:
    toys = {"resource": "toys", "responseKind": {"kind": "Toy"}, "scope": "Namespaced", "verbs": ["get"]}
    (group,) = parse_aggregated(listed({"version": "v1", "freshness": "Stale", "resources": [toys]}), {})
    assert group.versions[0].stale
    assert [entry.kind for entry in group.versions[0].resources] == ["Toy"]


def test_what_cannot_be_understood_takes_nothing_else_down() -> None:
    good = {"resource": "toys", "responseKind": {"kind": "Toy"}, "verbs": ["get", 7]}
    only_subresources = {"resource": "ghosts", "subresources": [{"subresource": "status", "verbs": ["get"]}]}
    document = listed({"version": "v1", "resources": [good, only_subresources, "junk", None]})
    document["items"] += ["junk", {"metadata": None, "versions": "junk"}]
    first, second = parse_aggregated(document, {})
    (toys,) = first.versions[0].resources
    assert (toys.gvk, toys.verbs, toys.namespaced) == (SHOP.kind("Toy"), ("get",), False)
    assert second == ApiGroup("", ())


def test_the_preferred_version_comes_first() -> None:
    versions = [{"version": "v1beta1"}, {"version": "v1"}, {"version": "v1alpha1"}]
    document = {"groups": [{"name": "g", "versions": versions, "preferredVersion": {"version": "v1"}}]}
    assert parse_group_list(document) == (("g", ("v1", "v1beta1", "v1alpha1")),)
