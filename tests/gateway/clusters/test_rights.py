import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yaml

from gateway.apimachinery.schema import GroupResource
from gateway.clusters.credentials import Credentials, StaticCredentials
from gateway.clusters.endpoint import Endpoint
from gateway.clusters.rights import REQUIRED, identity, missing_rights, rbac_manifest
from gateway.clusters.upstream import Upstream
from tests.gateway.clusters.fake_api import FakeApi
from tests.support.http_server import serve


@asynccontextmanager
async def of(api: FakeApi) -> AsyncIterator[Upstream]:
    async with serve(api) as url:
        upstream = Upstream("m1", Endpoint(url), StaticCredentials(Credentials(token="t")), now=lambda: 0.0)
        yield upstream
        await upstream.close()


async def test_nothing_is_missing_where_all_is_allowed() -> None:
    async with of(FakeApi()) as member:
        assert await missing_rights(member) == []


async def test_what_is_missing_is_named_with_its_purpose() -> None:
    api = FakeApi()
    api.allowed = lambda asked: (
        asked["verb"] != "impersonate" and (asked["resource"], asked["verb"]) != ("pods", "watch")
    )
    async with of(api) as member:
        missing = [str(right) for right in await missing_rights(member)]
    assert missing[0] == "watch pods: to show the member's objects"
    assert "impersonate users: to act as the caller and never as itself" in missing
    assert any(text.startswith("impersonate userextras/authentication.kubernetes.io/credential-id") for text in missing)
    assert len(missing) == 1 + sum(right.verb == "impersonate" for right in REQUIRED)


async def test_who_the_gateway_is_there() -> None:
    api = FakeApi()
    async with of(api) as member:
        assert await identity(member) == {"username": "gateway"}
        api.user = None
        assert await identity(member) is None


def test_the_manifest_grants_the_reading_of_what_is_cached_by_configuration() -> None:
    role, _ = yaml.safe_load_all(rbac_manifest("gateway", [GroupResource("", "nodes"), GroupResource("batch", "jobs")]))
    for group, resource in (("", "nodes"), ("batch", "jobs")):
        assert {"apiGroups": [group], "resources": [resource], "verbs": ["get", "list", "watch"]} in role["rules"]


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("gateway", {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "gateway"}),
        ("system:serviceaccount:ns:gate", {"kind": "ServiceAccount", "namespace": "ns", "name": "gate"}),
    ],
)
def test_the_manifest_grants_every_required_right(user: str, subject: dict[str, str]) -> None:
    role, binding = yaml.safe_load_all(rbac_manifest(user))
    for right in REQUIRED:
        resource = f"{right.resource}/{right.subresource}" if right.subresource else right.resource
        assert any(
            right.group in rule.get("apiGroups", [])
            and ({resource, "*"} & set(rule.get("resources", [])))
            and right.verb in rule["verbs"]
            for rule in role["rules"]
        ), right
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [subject]
    assert json.loads(rbac_manifest(user).split("---\n")[0])["kind"] == "ClusterRole"
