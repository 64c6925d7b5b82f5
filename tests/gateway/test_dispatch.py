from dataclasses import dataclass

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.dispatch import Destination, dispatch, names_cluster, tunneled_write, tunnels_api
from gateway.request import RequestInfo, parse_request_info

D = Destination


@dataclass
class FakeSurface:
    """Serves everything but the resource named nope; Pods and Events live in members."""

    def serves(self, info: RequestInfo) -> bool:
        return info.resource != "nope"

    def has_routes(self, group: str) -> bool:
        return True

    def is_merged(self, info: RequestInfo) -> bool:
        return info.resource in {"pods", "events"}

    def wrong_verb(self, info: RequestInfo) -> ApiError | None:
        return None

    def kind_of(self, info: RequestInfo) -> str:
        return ""


@pytest.mark.parametrize(
    ("method", "path", "destination"),
    [
        ("GET", "/api/v1/nope", D.NOT_SERVED),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", D.REVIEW),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", D.REVIEW),
        ("GET", "/apis/apps/v1/deployments", D.STORE_READ),
        ("GET", "/apis/apps/v1/namespaces/a/deployments/d/scale", D.STORE_READ),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", D.STORE_WRITE),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", D.STORE_WRITE),
        ("GET", "/api/v1/namespaces/a/services/s/proxy/x", D.STORE_CONNECT),
        ("POST", "/api/v1/namespaces/a/services/s/proxy", D.STORE_CONNECT),
        ("GET", "/api/v1/pods", D.MERGED_READ),
        ("GET", "/apis/events.k8s.io/v1/events", D.MERGED_READ),
        ("GET", "/api/v1/namespaces/a/pods/p/status", D.MEMBER_READ),
        ("GET", "/api/v1/namespaces/a/pods/p/log", D.MEMBER_CONNECT),
        ("GET", "/api/v1/namespaces/a/pods/p/exec", D.MEMBER_CONNECT),
        ("POST", "/api/v1/namespaces/a/pods/p/portforward", D.MEMBER_CONNECT),
        ("DELETE", "/api/v1/namespaces/a/pods/p", D.MEMBER_WRITE),
        ("POST", "/api/v1/namespaces/a/pods/p/eviction", D.MEMBER_WRITE),
        ("GET", "/clusters/m1/api/v1/pods", D.EXPLICIT_CLUSTER),
        ("GET", "/clusters/m1/api/v1/nope", D.EXPLICIT_CLUSTER),
        ("GET", "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy/api/v1/pods", D.EXPLICIT_CLUSTER),
        ("GET", "/apis/cluster.karmada.io/v1alpha1/clusters/m1", D.STORE_READ),
        ("GET", "/apis/cluster.karmada.io/v1alpha1/clusters/m1/status", D.STORE_READ),
        ("GET", "/apis/other.example/v1/clusters/m1/proxy", D.STORE_CONNECT),
    ],
)
def test_where_a_request_goes(method: str, path: str, destination: Destination) -> None:
    assert dispatch(parse_request_info(method, path, {}), FakeSurface()) is destination


def test_one_member_is_named_by_a_prefix_or_by_its_proxy() -> None:
    assert names_cluster(parse_request_info("GET", "/clusters/m1/version", {}))
    assert names_cluster(parse_request_info("GET", "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy", {}))
    assert not names_cluster(parse_request_info("GET", "/apis/cluster.karmada.io/v1alpha1/clusters/m1", {}))
    assert not names_cluster(parse_request_info("GET", "/version", {}))


@pytest.mark.parametrize(
    ("path", "tunnels"),
    [
        ("/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy/api/v1/namespaces/a/pods/p", True),
        ("/apis/other.example/v1/services/s/proxy", True),
        ("/api/v1/things/t/proxy", True),
        ("/api/v1/namespaces/a/services/s/proxy/x", False),
        ("/api/v1/namespaces/a/pods/p/proxy", False),
        ("/api/v1/nodes/n/proxy", False),
        ("/apis/search.karmada.io/v1alpha1/proxying/karmada", False),
        ("/api/v1/namespaces/a/pods/p/exec", False),
    ],
)
def test_behind_which_proxy_objects_are(path: str, tunnels: bool) -> None:
    assert tunnels_api(parse_request_info("POST", path, {})) is tunnels


def test_a_write_through_such_a_proxy_says_where_to_go() -> None:
    path = "/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy/api/v1/namespaces/a"
    refusal = tunneled_write(parse_request_info("DELETE", path, {}))
    assert (refusal.code, refusal.reason) == (405, "MethodNotAllowed")
    assert refusal.details == {"group": "search.karmada.io", "kind": "proxying"}
    assert "/clusters/NAME" in refusal.message
