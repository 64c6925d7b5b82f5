"""The routes by which the garbage collector could be made to take a protected object: all meet the same rule."""

import asyncio
import contextlib
from typing import Any

import pytest

from admission.protection_labels import FLEETGATE_LABEL
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.apimachinery.schema import GroupResource
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import (
    DEPLOYMENT,
    DEPLOYMENTS,
    POD,
    PODS,
    WEB,
    Gateway,
    pod,
    workload,
)

ALWAYS = {FLEETGATE_LABEL: "Always"}
THERE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "there", "uid": "u-there"}
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "u-gone"}


def _owns(manager: str, operation: str, uid: str) -> JsonObject:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:ownerReferences": {".": {}, f'k:{{"uid":"{uid}"}}': {}}}},
    }


APPLIED = [_owns("helm", "Apply", "u-there"), _owns("controller", "Update", "u-other")]
HEAD = {"apiVersion": "apps/v1", "kind": "Deployment"}
OWNERS = "/metadata/ownerReferences"

ROUTES: dict[str, tuple[str, Any, str, dict[str, str]]] = {
    "put": ("PUT", workload(ownerReferences=[THERE, GONE], labels=ALWAYS), "", {}),
    "put of one": ("PUT", workload(ownerReferences=[GONE]), "", {}),
    "merge patch": ("PATCH", {"metadata": {"ownerReferences": [GONE]}}, MERGE_PATCH, {}),
    "strategic patch": ("PATCH", {"metadata": {"ownerReferences": [GONE]}}, STRATEGIC_MERGE_PATCH, {}),
    "strategic patch that takes one": (
        "PATCH",
        {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": "u-there"}]}},
        STRATEGIC_MERGE_PATCH,
        {},
    ),
    "json patch": ("PATCH", [{"op": "add", "path": f"{OWNERS}/-", "value": GONE}], JSON_PATCH, {}),
    "json patch of a uid": ("PATCH", [{"op": "replace", "path": f"{OWNERS}/0/uid", "value": "x"}], JSON_PATCH, {}),
    "json patch of a name": ("PATCH", [{"op": "replace", "path": f"{OWNERS}/0/name", "value": "x"}], JSON_PATCH, {}),
    "json patch that takes one": ("PATCH", [{"op": "remove", "path": f"{OWNERS}/0"}], JSON_PATCH, {}),
    "apply": (
        "PATCH",
        {**HEAD, "metadata": {"name": "web", "ownerReferences": [GONE]}},
        APPLY_PATCH,
        {"fieldManager": "other"},
    ),
    "apply that drops one": ("PATCH", {**HEAD, "metadata": {"name": "web"}}, APPLY_PATCH, {"fieldManager": "helm"}),
}


def owned(**metadata: Any) -> MemoryTarget:
    other = THERE | {"name": "other", "uid": "u-other"}
    return MemoryTarget(DEPLOYMENT, workload(ownerReferences=[THERE, other], managedFields=APPLIED, **metadata))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_no_route_changes_the_owners_of_a_protected_object(gateway: Gateway, route: str, dry_run: bool) -> None:
    method, body, content_type, query = ROUTES[route]
    target = owned(labels=ALWAYS)
    if dry_run:
        query = {**query, "dryRun": "All"}
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, method, WEB, body, content_type=content_type, query=query)
    assert refused.value.code == 403
    (cause,) = refused.value.details["causes"]
    assert cause["reason"] == "OwnerReferencesOfProtectedObject"
    assert "please make sure to remove the label: fleetgate.io/delete-protection" in cause["message"]
    assert target.applied == []


@pytest.mark.parametrize("route", ROUTES)
async def test_without_the_label_every_route_is_open(gateway: Gateway, route: str) -> None:
    method, body, content_type, query = ROUTES[route]
    target = owned()
    await gateway.send(target, method, WEB, body, content_type=content_type, query=query)
    assert len(target.applied) == 1


@pytest.mark.parametrize(
    ("method", "body", "content_type"),
    [
        ("PATCH", {"metadata": {"ownerReferences": None}}, MERGE_PATCH),
        ("PATCH", [{"op": "remove", "path": OWNERS}], JSON_PATCH),
        ("PATCH", {"metadata": {"ownerReferences": []}}, MERGE_PATCH),
        ("PUT", workload(labels=ALWAYS), ""),
    ],
)
async def test_all_owners_may_be_taken_away(gateway: Gateway, method: str, body: Any, content_type: str) -> None:
    target = owned(labels=ALWAYS)
    await gateway.send(target, method, WEB, body, content_type=content_type)
    assert len(target.applied) == 1


def secret(name: str, *owners: str, labels: dict[str, str] | None = None) -> tuple[GroupResource, JsonObject]:
    references = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": f"uid-{owner}"} for owner in owners
    ]
    metadata = {"name": name, "namespace": "shop", "uid": f"u-{name}", "labels": labels or {}}
    return GroupResource("", "secrets"), {"kind": "Secret", "metadata": metadata | {"ownerReferences": references}}


def standing(*names: str) -> list[tuple[GroupResource, JsonObject]]:
    """Deployments as the store lists them."""
    return [
        (
            GroupResource("apps", "deployments"),
            {"kind": "Deployment", "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}"}},
        )
        for name in names
    ]


@pytest.mark.parametrize("body", [None, {"propagationPolicy": "Background"}, {"orphanDependents": False}])
async def test_an_owner_of_what_is_protected_is_not_deleted(gateway: Gateway, body: Any) -> None:
    target = MemoryTarget(DEPLOYMENT, workload())
    target.collected_among = [*standing("web"), secret("s", "web", labels=ALWAYS)]
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", WEB, body)
    assert refused.value.code == 403
    (cause,) = refused.value.details["causes"]
    assert cause["reason"] == "OwnerOfProtectedObjects"
    assert "secrets shop/s (label fleetgate.io/delete-protection=Always)" in cause["message"]
    assert len(target.objects) == 1


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"propagationPolicy": "Orphan"}, {}),
        ({"orphanDependents": True}, {}),
        (None, {"propagationPolicy": "Orphan"}),
        (None, {"orphanDependents": "true"}),
    ],
)
async def test_one_that_leaves_them_behind_is(gateway: Gateway, body: Any, query: dict[str, str]) -> None:
    target = MemoryTarget(DEPLOYMENT, workload())
    target.collected_among = [*standing("web"), secret("s", "web", labels=ALWAYS)]
    await gateway.send(target, "DELETE", WEB, body, query=query)
    assert target.objects == {}
    assert target.asked["collectable"] == 0


async def test_a_body_that_does_not_orphan_counts_more_than_a_query_that_does(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT, workload())
    target.collected_among = [secret("s", "web", labels=ALWAYS)]
    with pytest.raises(ApiError, match="take protected objects along"):
        await gateway.send(target, "DELETE", WEB, {"gracePeriodSeconds": 0}, query={"propagationPolicy": "Orphan"})


async def test_when_the_dependents_are_not_known_nothing_is_deleted(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT, workload())
    target.collected_among = service_unavailable("down")
    with pytest.raises(ApiError, match="could not be listed: down"):
        await gateway.send(target, "DELETE", WEB)
    assert len(target.objects) == 1


class TestAtTheSameTime:
    """Two owners of one protected object, deleted by two requests: each must not count on the other's to stay."""

    @staticmethod
    def owned_by_both() -> MemoryTarget:
        target = MemoryTarget(DEPLOYMENT, workload(name="one"), workload(name="two"))
        target.collected_among = [*standing("one", "two"), secret("s", "one", "two", labels=ALWAYS)]
        return target

    @pytest.mark.parametrize("other", ["DELETE of it", "DELETE that orphans", "deletecollection"])
    async def test_one_of_them_is_refused(self, gateway: Gateway, other: str) -> None:
        target = self.owned_by_both()
        judged, both_judged = 0, asyncio.Event()

        async def meet() -> None:
            nonlocal judged
            judged += 1
            if judged == 2:
                both_judged.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(both_judged.wait(), 0.2)

        target.before_collectable = meet
        path, query = f"{DEPLOYMENTS}/two", {}
        if other == "DELETE that orphans":
            query = {"propagationPolicy": "Orphan"}
        elif other == "deletecollection":
            path, query = DEPLOYMENTS, {"labelSelector": "x=two"}
            target.edit(ObjectKey("shop", "two"), labels={"x": "two"})
        answers = await asyncio.gather(
            gateway.send(target, "DELETE", path, query=query),
            gateway.send(target, "DELETE", f"{DEPLOYMENTS}/one", audit_id="id-2"),
            return_exceptions=True,
        )
        refusals = [answer for answer in answers if isinstance(answer, ApiError)]
        assert [refusal.code for refusal in refusals] == [403]
        assert len(target.objects) == 1

    async def test_a_dry_run_stands_in_nobodys_way(self, gateway: Gateway) -> None:
        target = self.owned_by_both()
        await asyncio.gather(
            gateway.send(target, "DELETE", f"{DEPLOYMENTS}/two", query={"dryRun": "All"}),
            gateway.send(target, "DELETE", f"{DEPLOYMENTS}/one", audit_id="id-2"),
        )
        assert len(target.objects) == 1

    async def test_whoever_comes_after_the_answer_asks_the_store(self, gateway: Gateway) -> None:
        target = self.owned_by_both()
        await gateway.send(target, "DELETE", f"{DEPLOYMENTS}/one")
        target.collected_among = [*standing("two"), secret("s", "one", "two", labels=ALWAYS)]
        with pytest.raises(ApiError, match="take protected objects along"):
            await gateway.send(target, "DELETE", f"{DEPLOYMENTS}/two", audit_id="id-2")
        target.collected_among = [*standing("two", "three"), secret("s", "two", "three", labels=ALWAYS)]
        await gateway.send(target, "DELETE", f"{DEPLOYMENTS}/two", audit_id="id-3")

    async def test_one_that_was_refused_or_failed_stands_in_nobodys_way(self, gateway: Gateway) -> None:
        target = self.owned_by_both()
        target.failures = [service_unavailable("down")]
        with pytest.raises(ApiError, match="down"):
            await gateway.send(target, "DELETE", f"{DEPLOYMENTS}/one")
        await gateway.send(target, "DELETE", f"{DEPLOYMENTS}/two", audit_id="id-2")


class TestCollections:
    async def test_dependents_are_listed_once_for_all(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, *(workload(name=f"w{number}") for number in range(30)))
        target.collected_among = [*standing("w7"), secret("s", "w7"), secret("t", "other", labels=ALWAYS)]
        await gateway.send(target, "DELETE", DEPLOYMENTS)
        assert target.objects == {}
        assert target.asked["collectable"] == 1

    async def test_an_object_whose_owners_all_go_keeps_them(self, gateway: Gateway) -> None:
        target = MemoryTarget(
            DEPLOYMENT, *(workload(name=name, labels={"x": name}) for name in ("one", "two", "three"))
        )
        target.collected_among = [*standing("one", "two", "three"), secret("s", "one", "two", labels=ALWAYS)]
        with pytest.raises(ApiError, match=r"2 of 3 objects are refused: one, two\. its deletion"):
            await gateway.send(target, "DELETE", DEPLOYMENTS)
        assert len(target.objects) == 3
        await gateway.send(target, "DELETE", DEPLOYMENTS, query={"labelSelector": "x=one"}, audit_id="id-2")
        assert len(target.objects) == 2

    async def test_each_member_is_listed_for_its_own_pods_once_and_only_for_those_with_claims(
        self, gateway: Gateway
    ) -> None:
        def with_claim(name: str, cluster: str) -> JsonObject:
            obj = pod(name, annotations={CACHED_FROM_CLUSTER: cluster})
            return obj | {"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}}

        plain = pod("plain", annotations={CACHED_FROM_CLUSTER: "m1"}) | {"spec": {}}
        pods = [with_claim("a", "m1"), with_claim("b", "m1"), with_claim("c", "m2"), plain]
        target = MemoryTarget(POD, *pods)
        await gateway.send(target, "DELETE", PODS)
        assert target.objects == {}
        assert target.collected_for == ["a", "c", "plain"]
