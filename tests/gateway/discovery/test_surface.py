from dataclasses import replace

import pytest

from gateway.apimachinery.errors import method_not_allowed
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind, GroupVersionResource
from gateway.discovery.allow_list import AllowList
from gateway.discovery.merged_kinds import MERGED_RESOURCES
from gateway.discovery.surface import ApiGroup, ApiSurface, ApiVersion, served_surface
from gateway.request import RequestInfo, parse_request_info
from tests.gateway.discovery.builders import APPS, CONFIG_MAPS, CORE, DEPLOYMENTS, NODES, SHOP, TOYS, group, resource


def surface(*groups: ApiGroup, allow: tuple[str, ...] = ("*",), deny: tuple[str, ...] = ()) -> ApiSurface:
    return served_surface(groups, AllowList(allow, deny), MERGED_RESOURCES)


def asked(path: str, method: str = "GET") -> RequestInfo:
    return parse_request_info(method, path, {})


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/configmaps",
        "/api/v1/namespaces/a/configmaps",
        "/api/v1/namespaces/a/configmaps/x",
        "/api/v1/watch/namespaces/a/configmaps",
        "/api/v1/namespaces",
        "/api/v1/namespaces/a",
        "/api/v1/namespaces/a/finalize",
        "/api/v1/nodes/n",
        "/api/v1/nodes/n/proxy/metrics/cadvisor",
        "/apis/apps/v1/namespaces/a/deployments/x/scale",
        "/api/v1/pods",
        "/api/v1/namespaces/a/pods/x/log",
        "/api/v1/namespaces/a/pods/x/resize",
        "/apis/events.k8s.io/v1/namespaces/a/events",
    ],
)
def test_what_has_a_route_is_served(path: str) -> None:
    assert surface(CORE, APPS).serves(asked(path))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/secrets",
        "/api/v2/configmaps",
        "/apis/apps/v1beta1/deployments",
        "/apis/apps/v1/pods",
        "/apis/nope/v1/configmaps",
        "/apis/apps/v1/namespaces/a/deployments/x/log",
        "/apis/apps/v1/namespaces/a/deployments/x/scale/more",
        "/apis/apps/v1/namespaces/a/deployments/x/y/z",
        "/api/v1/configmaps/x",
        "/api/v1/namespaces/a/nodes",
        "/api/v1/namespaces/a/nodes/n",
        "/api/v1/namespaces/a/namespaces/b",
        "/api/v1/proxy/namespaces/a/pods/x",
    ],
)
def test_what_has_no_route_is_not(path: str) -> None:
    assert not surface(CORE, APPS).serves(asked(path))


def test_a_list_over_all_namespaces_may_select_by_name() -> None:
    info = parse_request_info("GET", "/api/v1/configmaps", {"fieldSelector": "metadata.name=x"})
    assert info.name == "x"
    assert surface(CORE).serves(info)


def test_pods_and_events_are_merged_whether_or_not_the_store_has_them() -> None:
    own_pods = resource("v1", "pods", "Pod")
    for served in (surface(CORE), surface(group(CONFIG_MAPS, own_pods))):
        assert served.is_merged(asked("/api/v1/namespaces/a/pods/x/exec"))
        assert served.is_merged(asked("/api/v1/events"))
        assert served.is_merged(asked("/apis/events.k8s.io/v1/events"))
        assert not served.is_merged(asked("/api/v1/configmaps"))
        assert not served.is_merged(asked("/api/v1/nope"))


def test_a_simulated_member_merges_nothing() -> None:
    served = served_surface([group(resource("v1", "pods", "Pod"))], AllowList())
    assert served.serves(asked("/api/v1/pods"))
    assert not served.is_merged(asked("/api/v1/pods"))


def test_what_is_not_allowed_is_neither_found_nor_listed() -> None:
    served = surface(CORE, APPS, SHOP, allow=("configmaps", "*.apps"))
    assert [entry.name for entry in served.groups] == ["", "apps"]
    assert served.find(CONFIG_MAPS.gvr) == CONFIG_MAPS
    assert served.find(NODES.gvr) is None
    assert not served.serves(asked("/api/v1/pods"))
    assert not served.is_merged(asked("/api/v1/pods"))
    assert served.version(GroupVersion("shop.example.com", "v1")) is None


def test_the_core_group_comes_first_and_resources_by_name() -> None:
    served = surface(SHOP, APPS, CORE)
    assert [entry.name for entry in served.groups][:3] == ["", "shop.example.com", "apps"]
    names = [entry.gvr.resource for entry in served.groups[0].versions[0].resources]
    assert names == ["configmaps", "events", "namespaces", "nodes", "pods"]


def test_lookups() -> None:
    served = surface(CORE, APPS)
    assert served.find(GroupVersionResource("apps", "v1", "deployments")) == DEPLOYMENTS
    assert served.find_kind(GroupVersionKind("apps", "v1", "Deployment")) == DEPLOYMENTS
    assert served.find_kind(GroupVersionKind("apps", "v1", "Scale")) is None
    assert served.group("apps") == APPS
    assert served.group("nope") is None
    scale = DEPLOYMENTS.subresource("scale")
    assert scale is not None
    assert scale.verbs == ("get", "patch", "update")
    assert DEPLOYMENTS.subresource("log") is None
    assert DEPLOYMENTS.kind == "Deployment"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/configmaps"),
        ("POST", "/api/v1/namespaces/a/configmaps"),
        ("GET", "/api/v1/namespaces/a"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/x/scale"),
        ("POST", "/api/v1/namespaces/a/pods/x/exec"),
    ],
)
def test_verbs_of_resources_and_subresources(method: str, path: str) -> None:
    assert surface(CORE, APPS).wrong_verb(asked(path, method)) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/api/v1/namespaces/a/configmaps"),
        ("POST", "/api/v1/namespaces/a/configmaps/x"),
        ("POST", "/api/v1/namespaces/a"),
        ("PUT", "/api/v1/namespaces/a/configmaps"),
        ("PATCH", "/api/v1/namespaces/a/configmaps"),
        ("POST", "/apis/apps/v1/namespaces/a/deployments/x/scale"),
        ("DELETE", "/api/v1/namespaces/a/pods/x/log"),
    ],
)
def test_the_router_refuses_wrong_verbs(method: str, path: str) -> None:
    error = surface(CORE, APPS).wrong_verb(asked(path, method))
    assert error is not None
    assert error.status == method_not_allowed().status


def test_custom_kinds_refuse_wrong_verbs_by_name() -> None:
    served = surface(CORE, SHOP)
    error = served.wrong_verb(asked("/apis/shop.example.com/v1/namespaces/a/toys", "DELETE"))
    assert error is not None
    assert error.message == 'deletecollection is not supported on resources of kind "toys.shop.example.com"'


def test_kinds_of_bodies() -> None:
    served = surface(CORE, APPS)
    assert served.kind_of(asked("/api/v1/namespaces/a/pods/x")) == "Pod"
    assert served.kind_of(asked("/api/v1/namespaces/a/pods/x/eviction")) == "Eviction"


def test_groups_of_kubernetes_have_routes_whatever_their_versions() -> None:
    served = surface(CORE, APPS, SHOP)
    assert served.has_routes("apps")
    assert served.has_routes("")
    assert not served.has_routes("shop.example.com")
    assert not served.has_routes("nope")


def test_a_stale_version_is_kept_even_when_nothing_of_it_was_ever_known() -> None:
    empty = ApiGroup("metrics.k8s.io", (ApiVersion("v1beta1", (), stale=True),))
    assert surface(empty).group("metrics.k8s.io") == empty
    assert surface(empty, allow=("pods",)).group("metrics.k8s.io") is None


def test_a_version_without_resources_that_is_current_is_not_served() -> None:
    assert surface(ApiGroup("empty.example.com", (ApiVersion("v1", ()),))).group("empty.example.com") is None


def test_a_version_with_merged_resources_never_goes_stale() -> None:
    """Clients drop a stale version whole; pods of living members must survive the store's trouble."""
    version = surface(group(CONFIG_MAPS, stale=True)).version(GroupVersion("", "v1"))
    assert version is not None
    assert not version.stale
    assert CONFIG_MAPS in version.resources


def test_a_surface_says_how_much_it_holds() -> None:
    assert repr(ApiSurface([SHOP])) == "ApiSurface(1 groups, 1 resources)"
    assert ApiSurface([SHOP]).find(TOYS.gvr) is TOYS


def test_a_merged_resource_takes_the_place_of_all_versions_in_the_store() -> None:
    old, new = resource("batch/v1beta1", "jobs", "Job"), resource("batch/v1", "jobs", "Job")
    cron = resource("batch/v1beta1", "cronjobs", "CronJob")
    store = ApiGroup("batch", (ApiVersion("v1", (new,)), ApiVersion("v1beta1", (old, cron))))
    merged = replace(new, merged=True)
    served = served_surface([store], AllowList(), [merged])
    assert served.find(new.gvr) is merged
    assert served.find(old.gvr) is None
    assert served.find(cron.gvr) is cron


def test_what_no_member_was_found_to_have_is_not_the_stores_either() -> None:
    served = served_surface([CORE, APPS], AllowList(), (), [NODES.gvr.group_resource])
    assert served.find(NODES.gvr) is None
    assert served.find(CONFIG_MAPS.gvr) is CONFIG_MAPS
