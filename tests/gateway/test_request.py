"""RequestInfo against a table of the paths that kube-apiserver knows."""

import pytest
from msgspec.structs import replace

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.schema import GroupResource, GroupVersion, GroupVersionResource
from gateway.request import RequestInfo, UserInfo, parse_request_info, truthy, upstream_path

RESOURCES = [
    # method, path, query -> verb, group, version, namespace, resource, subresource, name
    ("GET", "/api/v1/pods", {}, ("list", "", "v1", "", "pods", "", "")),
    ("GET", "/api/v1/namespaces/a/pods", {}, ("list", "", "v1", "a", "pods", "", "")),
    ("GET", "/api/v1/namespaces/a/pods/x", {}, ("get", "", "v1", "a", "pods", "", "x")),
    ("HEAD", "/api/v1/namespaces/a/pods/x", {}, ("get", "", "v1", "a", "pods", "", "x")),
    ("GET", "/api/v1/namespaces/a/pods/x/log", {}, ("get", "", "v1", "a", "pods", "log", "x")),
    ("POST", "/api/v1/namespaces/a/pods/x/exec", {}, ("create", "", "v1", "a", "pods", "exec", "x")),
    ("GET", "/api/v1/pods", {"watch": ""}, ("watch", "", "v1", "", "pods", "", "")),
    ("GET", "/api/v1/pods", {"watch": "FALSE"}, ("list", "", "v1", "", "pods", "", "")),
    ("GET", "/api/v1/watch/pods", {}, ("watch", "", "v1", "", "pods", "", "")),
    ("GET", "/api/v1/watch/namespaces/a/pods/x", {}, ("watch", "", "v1", "a", "pods", "", "x")),
    ("GET", "/api/v1/proxy/namespaces/a/pods/x/b/c", {}, ("proxy", "", "v1", "a", "pods", "", "x")),
    ("GET", "/api/v1/namespaces", {}, ("list", "", "v1", "", "namespaces", "", "")),
    ("GET", "/api/v1/namespaces/a", {}, ("get", "", "v1", "a", "namespaces", "", "a")),
    ("PUT", "/api/v1/namespaces/a/finalize", {}, ("update", "", "v1", "a", "namespaces", "finalize", "a")),
    ("PATCH", "/api/v1/namespaces/a/status", {}, ("patch", "", "v1", "a", "namespaces", "status", "a")),
    ("DELETE", "/apis/apps/v1/namespaces/a/deployments/x", {}, ("delete", "apps", "v1", "a", "deployments", "", "x")),
    (
        "DELETE",
        "/apis/apps/v1/namespaces/a/deployments",
        {},
        ("deletecollection", "apps", "v1", "a", "deployments", "", ""),
    ),
    ("OPTIONS", "/apis/apps/v1/deployments", {}, ("", "apps", "v1", "", "deployments", "", "")),
    ("GET", "/api/v1//pods", {}, ("get", "", "v1", "", "", "", "pods")),
]


@pytest.mark.parametrize(("method", "path", "query", "want"), RESOURCES)
def test_resource_requests(method, path, query, want):
    info = parse_request_info(method, path, query)
    assert info.is_resource_request
    got = (info.verb, info.api_group, info.api_version, info.namespace, info.resource, info.subresource, info.name)
    assert got == want


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz/ping", "/apis/"]
)
def test_non_resource_requests(path):
    info = parse_request_info("POST", path, {})
    assert not info.is_resource_request
    assert (info.path, info.verb) == (path, "post")
    assert not info.is_write


def test_field_selector_on_the_name_sets_the_name():
    def name(selector: str, verb: str = "GET") -> str:
        return parse_request_info(verb, "/api/v1/namespaces/a/pods", {"fieldSelector": selector}).name

    assert name("metadata.name=x") == "x"
    assert name("status.phase=Running,metadata.name==y") == "y"
    assert name("metadata.name!=x") == ""
    assert name("nonsense") == ""
    assert name("metadata.name=x", "DELETE") == "x"


def test_selectors_are_kept_for_authorization():
    info = parse_request_info("GET", "/api/v1/pods", {"fieldSelector": "a=b", "labelSelector": "c=d", "watch": "1"})
    assert (info.field_selector, info.label_selector) == ("a=b", "c=d")


@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/a/pods/..", "/a/%2e%2e/b", "/a/..%2fb", "/a/%2fb", "/a/./b", "/a/%25", "/a/%00", "/a/%ff"],
)
def test_ambiguous_paths_are_refused(path):
    with pytest.raises(ApiError) as refusal:
        parse_request_info("GET", path, {})
    assert refusal.value.code == 400


def test_special_verb_without_resource_is_refused():
    with pytest.raises(ApiError, match="unable to determine kind and namespace from url"):
        parse_request_info("GET", "/api/v1/watch/", {})


def test_named_cluster():
    info = parse_request_info("GET", "/clusters/m1/api/v1/pods", {})
    assert (info.cluster, info.resource, info.path) == ("m1", "pods", "/api/v1/pods")
    assert parse_request_info("GET", "/clusters/m1", {}).cluster == "m1"


def test_an_empty_segment_behind_the_cluster_is_refused():
    with pytest.raises(ApiError, match="empty path segment"):
        parse_request_info("GET", "/clusters/m1//api/v1/namespaces/a/pods/x/exec", {})


def test_long_running_and_write():
    def info(method: str, path: str, **query: str) -> RequestInfo:
        return parse_request_info(method, path, query)

    assert info("GET", "/api/v1/pods", watch="1").is_long_running
    assert info("GET", "/api/v1/namespaces/a/pods/x/log").is_long_running
    assert not info("GET", "/api/v1/pods").is_long_running
    assert info("POST", "/api/v1/namespaces/a/pods").is_write
    assert not info("GET", "/api/v1/pods").is_write


def test_upstream_path_is_rebuilt_from_what_was_parsed():
    info = parse_request_info("GET", "/api/v1/namespaces/a/pods/sp%20ace:x/", {})
    assert upstream_path(info) == "/api/v1/namespaces/a/pods/sp%20ace%3Ax/"
    assert upstream_path(replace(info, path="/")) == "/"
    for path in ("/api/v1/a", "/api/v1/a/", "/a//b", "/a/:b", "/~a_b-c.d"):
        assert upstream_path(replace(info, path=path)) == path.replace(":", "%3A")
    assert upstream_path(replace(info, path="//a//")) == "/a/"


def test_views():
    info = parse_request_info("GET", "/apis/apps/v1/deployments", {})
    assert info.group_resource == GroupResource("apps", "deployments")
    assert info.group_version == GroupVersion("apps", "v1")
    assert info.group_version_resource == GroupVersionResource("apps", "v1", "deployments")


def test_booleans_of_queries():
    assert truthy({"watch": ""}, "watch")
    assert truthy({"watch": "yes"}, "watch")
    assert not truthy({"watch": "0"}, "watch")
    assert not truthy({"watch": "False"}, "watch")
    assert not truthy({}, "watch")


def test_anonymous():
    assert UserInfo("system:anonymous").anonymous
    assert not UserInfo("alice").anonymous


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/api/v1/namespaces/a", ObjectKey("", "a")),
        ("/api/v1/namespaces/a/status", ObjectKey("", "a")),
        ("/api/v1/namespaces/a/pods/x", ObjectKey("a", "x")),
        ("/apis/example.com/v1/namespaces/a/namespaces/x", ObjectKey("a", "x")),
    ],
)
def test_a_namespace_lies_in_no_namespace(path, key):
    assert parse_request_info("GET", path, {}).key == key
