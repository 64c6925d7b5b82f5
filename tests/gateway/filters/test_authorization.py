import pytest

from gateway.apimachinery.errors import service_unavailable
from gateway.authorization.authorizer import Attributes, Decision
from gateway.filters.authorization import required_attributes
from gateway.request import UserInfo, parse_request_info
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import DENY, Pki, running_chain

ALICE = UserInfo("alice")


def required(method: str, path: str, **query: str) -> tuple[str, str, str, str, str]:
    right = required_attributes(ALICE, parse_request_info(method, path, query), method)
    return right.verb, right.api_group, right.resource, right.subresource, right.name


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("GET", "/api/v1/namespaces/a/pods/p", ("get", "", "pods", "", "p")),
        ("GET", "/api/v1/namespaces/a/pods/p/log", ("get", "", "pods", "log", "p")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", ("deletecollection", "apps", "deployments", "", "")),
    ],
)
def test_a_request_needs_the_right_it_names(method: str, path: str, right: tuple[str, ...]) -> None:
    assert required(method, path) == right


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_a_tunnel_needs_create_however_it_is_opened(method: str, subresource: str) -> None:
    path = f"/api/v1/namespaces/a/pods/p/{subresource}"
    assert required(method, path) == ("create", "", "pods", subresource, "p")


@pytest.mark.parametrize(
    ("method", "verb"),
    [("GET", "get"), ("HEAD", "get"), ("POST", "create"), ("PUT", "update"), ("PATCH", "patch"), ("DELETE", "delete")],
)
@pytest.mark.parametrize(
    "path", ["/clusters/m1/api/v1/pods", "/clusters/m1/livez", "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy/x"]
)
def test_one_member_needs_the_right_to_its_proxy(method: str, verb: str, path: str) -> None:
    assert required(method, path) == (verb, "cluster.karmada.io", "clusters", "proxy", "m1")


def test_the_selectors_of_a_list_are_part_of_the_question() -> None:
    info = parse_request_info("GET", "/api/v1/pods", {"fieldSelector": "spec.nodeName=n1", "labelSelector": "a=b"})
    right = required_attributes(ALICE, info, "GET")
    assert (right.field_selector, right.label_selector) == ("spec.nodeName=n1", "a=b")


async def test_a_denial_is_worded_as_in_kubernetes(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo, decide=lambda _: DENY) as chain:
        namespaced = await chain.ask("GET", "/api/v1/namespaces/shop/pods/web")
        cluster = await chain.ask("GET", "/apis/apps/v1/deployments")
        path = await chain.ask("GET", "/secret/%3Cb%3E")
    assert namespaced.status == 403
    assert namespaced.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'pods "web" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace '
        '"shop": not today',
        "reason": "Forbidden",
        "details": {"name": "web", "kind": "pods"},
        "code": 403,
    }
    assert namespaced.headers["X-Content-Type-Options"] == "nosniff"
    assert cluster.json()["message"] == (
        'deployments.apps is forbidden: User "alice" cannot list resource "deployments" in API group "apps" at the '
        "cluster scope: not today"
    )
    assert path.json()["message"] == 'forbidden: User "alice" cannot get path "/secret/&lt;b&gt;": not today'


async def test_health_is_open_whatever_the_store_says(gateway_pki: Pki) -> None:
    def away(_attributes: Attributes) -> Decision:
        raise service_unavailable("the store is away")

    async with running_chain(gateway_pki, echo, decide=away) as chain:
        assert (await chain.ask("GET", "/readyz", user="")).status == 200
        assert (await chain.ask("GET", "/api/v1/pods")).status == 503
        assert (await chain.ask("GET", "/clusters/m1/readyz")).status == 503
