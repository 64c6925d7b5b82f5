from typing import Any

import pytest

from admission.attributes import Attributes
from admission.plugin import Verdict
from admission.plugins.cluster_credentials import CREDENTIALS_RULE, ClusterCredentials
from gateway.apimachinery.errors import ApiError, invalid, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from tests.admission.scripted_rights import ScriptedRights
from tests.admission.support import DEPLOYMENTS, ScriptedLookup, attributes

CLUSTERS = GroupVersionResource("cluster.karmada.io", "v1alpha1", "clusters")
OWN = {"namespace": "karmada-cluster", "name": "m1"}
MAY_GET_OWN = "get secrets karmada-cluster/m1"


def cluster(annotations: dict[str, str] | None = None, **spec: Any) -> JsonObject:
    given = {"syncMode": "Push", "apiEndpoint": "https://10.0.0.1", "secretRef": OWN} | spec
    return {"metadata": {"name": "m1", "annotations": annotations or {}}, "spec": given}


def write(verb: str, **more: Any) -> Attributes:
    return attributes(verb, CLUSTERS, namespace="", name="m1", **more)


async def judged(
    rights: ScriptedRights, new: JsonObject | ApiError, *, old: JsonObject | None = None, verb: str = "update"
) -> Verdict:
    return await ClusterCredentials(rights).validate(write(verb), ScriptedLookup(old, new=new))


@pytest.mark.parametrize("verb", ["create", "update", "patch"])
def test_clusters_however_they_are_written(verb: str) -> None:
    plugin = ClusterCredentials(ScriptedRights())
    assert plugin.handles(write(verb))
    assert plugin.handles(write(verb, subresource="status"))


def test_other_writes_are_not_its_business() -> None:
    plugin = ClusterCredentials(ScriptedRights())
    assert not plugin.handles(write("delete"))
    assert not plugin.handles(attributes("create", DEPLOYMENTS))
    assert not plugin.handles(attributes("create", GroupVersionResource("example.com", "v1", "clusters")))


async def test_who_may_get_the_secret_may_name_it() -> None:
    rights = ScriptedRights(MAY_GET_OWN)
    assert (await judged(rights, cluster(), verb="create")).allowed
    assert rights.asked == ["alice: get secrets karmada-cluster/m1"]


async def test_who_may_not_get_the_secret_is_told_what_is_missing() -> None:
    verdict = await judged(ScriptedRights(), cluster(), verb="create")
    assert (verdict.allowed, verdict.rule) == (False, CREDENTIALS_RULE)
    start = 'User "alice" cannot get resource "secrets" named "m1" in the namespace "karmada-cluster", '
    assert verdict.message.startswith(f"{start}which spec.secretRef names")


async def test_the_impersonators_secret_counts_as_well() -> None:
    rights = ScriptedRights(MAY_GET_OWN)
    named = cluster(impersonatorSecretRef={"namespace": "kube-system", "name": "admin"})
    verdict = await judged(rights, named, old=cluster())
    assert not verdict.allowed
    assert 'named "admin" in the namespace "kube-system", which spec.impersonatorSecretRef names' in verdict.message


@pytest.mark.parametrize(
    "change",
    [
        {"apiEndpoint": "https://evil.example"},
        {"proxyURL": "http://evil.example"},
        {"proxyHeader": {"X-A": "b"}},
        {"insecureSkipTLSVerification": True},
        {"syncMode": "Pull"},
        {"impersonatorSecretRef": OWN},
        {"somethingNew": 1},
        {"annotations": {"fleetgate.io/tls-server-name": "evil.example"}},
    ],
)
async def test_another_way_to_the_member_asks_for_the_secrets_again(change: dict[str, Any]) -> None:
    assert not (await judged(ScriptedRights(), cluster(**change), old=cluster())).allowed
    assert not (await judged(ScriptedRights(), cluster(), old=cluster(**change))).allowed
    assert (await judged(ScriptedRights(MAY_GET_OWN), cluster(**change), old=cluster())).allowed


@pytest.mark.parametrize(
    "change",
    [
        {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        {"region": "eu"},
        {"zones": ["a"]},
        {"annotations": {"fleetgate.io/credentials-written-at": "now"}},
    ],
)
async def test_what_only_describes_the_member_needs_no_secret(change: dict[str, Any]) -> None:
    rights = ScriptedRights()
    new = {**cluster(**change), "status": {"kubernetesVersion": "v1.36.0"}}
    assert (await judged(rights, new, old=cluster(), verb="patch")).allowed
    assert rights.asked == []


@pytest.mark.parametrize("reference", [None, {}])
async def test_a_cluster_that_names_no_secret_needs_none(reference: Any) -> None:
    assert (await judged(ScriptedRights(), cluster(secretRef=reference), verb="create")).allowed


@pytest.mark.parametrize("reference", ["x", ["x"], {"name": "m1"}, {"namespace": "a"}, {"namespace": 1, "name": "b"}])
async def test_half_a_reference_is_refused(reference: Any) -> None:
    verdict = await judged(ScriptedRights(MAY_GET_OWN), cluster(secretRef=reference), verb="create")
    assert (verdict.allowed, verdict.rule) == (False, CREDENTIALS_RULE)


async def test_an_apply_that_creates_is_judged_like_a_create() -> None:
    assert not (await judged(ScriptedRights(), cluster(), old=None, verb="patch")).allowed


async def test_when_nobody_can_say_it_does_not_happen() -> None:
    rights = ScriptedRights(error=service_unavailable("the store is away"))
    with pytest.raises(ApiError) as unknown:
        await judged(rights, cluster(), verb="create")
    assert unknown.value.code == 503


async def test_what_the_store_refuses_itself_is_its_answer() -> None:
    refusal = invalid("cluster.karmada.io", "Cluster", "m1", [])
    with pytest.raises(ApiError) as refused:
        await judged(ScriptedRights(), refusal, verb="create")
    assert refused.value.code == 422
