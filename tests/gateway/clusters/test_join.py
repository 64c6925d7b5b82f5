import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from gateway.apimachinery import errors
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.schema import GroupResource
from gateway.clusters import join as joining
from gateway.clusters.cluster import parse_cluster
from gateway.clusters.credentials import Credentials, StaticCredentials, credentials_from_secret
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.join import JoinError, NewMember
from gateway.clusters.upstream import Upstream
from tests.gateway.clusters.fake_api import CLUSTERS, DEFINITIONS, NAMESPACES, SECRETS, FakeApi
from tests.support.http_server import serve

ENDPOINT = Endpoint("https://10.0.0.1:6443", tls_server_name="kubernetes", proxy_url="http://proxy:3128")
MEMBER = NewMember("m1", ENDPOINT, Credentials(b"CA", b"C", b"K"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_POLL", 0.01)


@asynccontextmanager
async def of(api: FakeApi) -> AsyncIterator[Upstream]:
    async with serve(api) as url:
        upstream = Upstream("gateway", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        yield upstream
        await upstream.close()


async def test_a_join_writes_what_the_registry_reads() -> None:
    api = FakeApi()
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="now")
    assert set(api.objects) == {f"{NAMESPACES}/karmada-cluster", f"{SECRETS}/m1", f"{CLUSTERS}/m1"}
    cluster = parse_cluster(api.objects[f"{CLUSTERS}/m1"])
    assert cluster.endpoint == ENDPOINT
    assert cluster.full_impersonation
    assert cluster.secret is not None
    assert cluster.impersonator_secret == cluster.secret
    secret = api.objects[f"{SECRETS}/m1"]
    assert credentials_from_secret(secret, cluster.secret) == MEMBER.credentials
    assert secret["metadata"]["labels"]["karmada.io/system"] == "true"


async def test_insecure_members_are_written_as_such() -> None:
    api = FakeApi()
    member = replace(MEMBER, endpoint=Endpoint("https://10.0.0.1", insecure_skip_tls_verify=True))
    async with of(api) as gateway:
        await joining.join(gateway, member, written_at="now")
    assert parse_cluster(api.objects[f"{CLUSTERS}/m1"]).endpoint == member.endpoint


async def test_joining_again_replaces_and_keeps_what_others_wrote() -> None:
    api = FakeApi()
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="then")
        api.objects[f"{CLUSTERS}/m1"]["metadata"]["labels"]["zone"] = "a"
        api.objects[f"{CLUSTERS}/m1"]["status"] = {"kubernetesVersion": "v1"}
        renewed = replace(MEMBER, endpoint=Endpoint("https://10.0.0.2"), credentials=Credentials(b"CA", token="new"))
        await joining.join(gateway, renewed, written_at="now")
    cluster = api.objects[f"{CLUSTERS}/m1"]
    assert cluster["spec"]["apiEndpoint"] == "https://10.0.0.2"
    assert cluster["metadata"]["labels"]["zone"] == "a"
    assert cluster["metadata"]["annotations"]["fleetgate.io/credentials-written-at"] == "now"
    assert cluster["status"] == {"kubernetesVersion": "v1"}
    data = api.objects[f"{SECRETS}/m1"]["data"]
    assert data == {"token": base64.b64encode(b"new").decode(), "caBundle": base64.b64encode(b"CA").decode()}


async def test_somebody_elses_cluster_is_left_alone() -> None:
    api = FakeApi()
    api.objects[f"{CLUSTERS}/m1"] = {"metadata": {"name": "m1"}}
    async with of(api) as gateway:
        with pytest.raises(JoinError, match="not joined by fleetgate"):
            await joining.join(gateway, MEMBER, written_at="now")
        with pytest.raises(JoinError, match="not joined by fleetgate"):
            await joining.unjoin(gateway, "m1")
    assert set(api.objects) == {f"{CLUSTERS}/m1"}


async def test_a_bare_store_gets_the_kind() -> None:
    api = FakeApi(clusters_served=False)
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="now")
    assert f"{DEFINITIONS}/clusters.cluster.karmada.io" in api.objects
    assert f"{CLUSTERS}/m1" in api.objects


async def test_who_may_not_install_the_kind_is_told_what_to_do() -> None:
    api = FakeApi(clusters_served=False)

    def refuse(request: web.BaseRequest) -> ApiError | None:
        resource = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")
        return errors.forbidden(resource, "", "no") if request.path == DEFINITIONS else None

    api.refuse = refuse
    async with of(api) as gateway:
        with pytest.raises(JoinError, match=r"members\.kubeconfig"):
            await joining.join(gateway, MEMBER, written_at="now")


async def test_a_kind_that_is_never_served_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_INSTALL_ATTEMPTS", 3)
    api = FakeApi(clusters_served=False)
    api.objects[f"{DEFINITIONS}/clusters.cluster.karmada.io"] = {"metadata": {}}
    async with of(api) as gateway:
        with pytest.raises(JoinError, match="try again"):
            await joining.join(gateway, MEMBER, written_at="now")


async def test_a_refusal_is_the_gateways_own() -> None:
    api = FakeApi()
    api.refuse = lambda request: errors.bad_request("no") if request.method == "POST" else None
    async with of(api) as gateway:
        with pytest.raises(ApiError):
            await joining.join(gateway, MEMBER, written_at="now")


async def test_an_unjoin_takes_both_away() -> None:
    api = FakeApi()
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="now")
        await joining.unjoin(gateway, "m1")
    assert set(api.objects) == {f"{NAMESPACES}/karmada-cluster"}


async def test_the_secret_stays_until_the_finalizers_of_the_cluster_are_done() -> None:
    api = FakeApi()
    looks = iter(range(100))

    def finish_at_the_third_look(request: web.BaseRequest) -> None:
        cluster = api.objects.get(f"{CLUSTERS}/m1")
        if request.method == "GET" and cluster and "deletionTimestamp" in cluster["metadata"] and next(looks) == 2:
            assert f"{SECRETS}/m1" in api.objects
            del api.objects[f"{CLUSTERS}/m1"]

    api.refuse = finish_at_the_third_look
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="now")
        api.objects[f"{CLUSTERS}/m1"]["metadata"]["finalizers"] = ["karmada.io/cluster-controller"]
        await joining.unjoin(gateway, "m1")
    assert set(api.objects) == {f"{NAMESPACES}/karmada-cluster"}


async def test_a_cluster_that_is_kept_is_neither_unjoined_nor_joined_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_REMOVAL_ATTEMPTS", 3)
    api = FakeApi()
    async with of(api) as gateway:
        await joining.join(gateway, MEMBER, written_at="now")
        api.objects[f"{CLUSTERS}/m1"]["metadata"]["finalizers"] = ["karmada.io/cluster-controller"]
        with pytest.raises(JoinError, match=r"karmada\.io/cluster-controller"):
            await joining.unjoin(gateway, "m1")
        assert f"{SECRETS}/m1" in api.objects
        with pytest.raises(JoinError, match="still being removed"):
            await joining.join(gateway, MEMBER, written_at="now")
        del api.objects[f"{CLUSTERS}/m1"]
        await joining.unjoin(gateway, "m1")
    assert set(api.objects) == {f"{NAMESPACES}/karmada-cluster"}


async def test_somebody_elses_secret_is_not_overwritten() -> None:
    api = FakeApi()
    api.objects[f"{SECRETS}/m1"] = {"metadata": {"name": "m1"}, "data": {"token": "dA=="}}
    async with of(api) as gateway:
        with pytest.raises(JoinError, match="Secret karmada-cluster/m1"):
            await joining.join(gateway, MEMBER, written_at="now")
        with pytest.raises(JoinError, match='no cluster "m1"'):
            await joining.unjoin(gateway, "m1")
    assert api.objects[f"{SECRETS}/m1"]["data"] == {"token": "dA=="}


@pytest.mark.parametrize("served", [True, False])
async def test_an_unjoin_of_nobody_says_so(served: bool) -> None:
    async with of(FakeApi(clusters_served=served)) as gateway:
        with pytest.raises(JoinError, match='no cluster "m1"'):
            await joining.unjoin(gateway, "m1")


async def test_another_api_server_is_not_taken_for_a_gateway() -> None:
    async with of(FakeApi(gateway=False)) as gateway:
        with pytest.raises(JoinError, match="no fleetgate gateway"):
            await joining.member_states(gateway)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], None),
        ([{"name": "m2", "ready": True, "synced": True}], None),
        ([{"name": "m1", "ready": False, "synced": False}], {"name": "m1", "ready": False, "synced": False}),
        ([{"name": "m1", "ready": True, "synced": True}], {"name": "m1", "ready": True, "synced": True}),
    ],
)
async def test_waiting_for_a_member(states: list[dict[str, Any]], expected: dict[str, Any] | None) -> None:
    api, ticks = FakeApi(), iter(range(1000))
    api.states = states
    async with of(api) as gateway:
        assert await joining.wait_for_member(gateway, "m1", 3, lambda: float(next(ticks))) == expected
