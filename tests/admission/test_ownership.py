from typing import Any

import pytest

from admission.ownership import (
    CLAIMS,
    CollectedObjects,
    Content,
    dependent_kinds,
    may_lose_its_owners,
    orphans_dependents,
    waits_to_orphan,
)
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from tests.admission.support import CONFIG_MAPS, DEFINITIONS, DEPLOYMENTS, PODS, attributes

MAPS = GroupResource("", "configmaps")
NODES = GroupResource("", "nodes")


def reference(name: str, kind: str = "ConfigMap", version: str = "v1") -> JsonObject:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": f"uid-{name}"}


def content(name: str, *owners: Any, namespace: str = "shop", **metadata: Any) -> Content:
    head = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "ownerReferences": list(owners)}
    return MAPS, {"kind": "ConfigMap", "metadata": head | metadata}


def owned(*owners: Any) -> JsonObject:
    return {"metadata": {"name": "x", "ownerReferences": list(owners)}}


def going(contents: list[Content], *owners: str) -> list[str]:
    uids = [f"uid-{owner}" for owner in owners]
    return sorted(obj["metadata"]["name"] for _, obj in CollectedObjects(uids, contents).along_with(uids))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((), (reference("a"),), True),
        ((reference("a"),), (reference("a"), reference("b")), True),
        ((reference("a"),), (reference("a") | {"uid": "other"},), True),
        ((reference("a"),), (reference("a") | {"kind": "Secret"},), True),
        ((reference("a"),), (reference("a") | {"name": "b"},), True),
        ((reference("a"), reference("b")), (reference("b"),), True),
        ((reference("a"), reference("b")), (reference("b"), reference("a")), False),
        ((reference("a"),), (reference("a") | {"controller": True},), False),
        ((reference("a"), reference("b")), (), False),
        ((), (None, "odd"), False),
    ],
)
def test_only_taking_all_owners_away_is_harmless(before: Any, after: Any, expected: bool) -> None:
    assert may_lose_its_owners(owned(*before), owned(*after)) is expected


@pytest.mark.parametrize(
    ("options", "finalizers", "resource", "expected"),
    [
        ({}, [], DEPLOYMENTS, False),
        ({"propagation_policy": "Orphan"}, [], DEPLOYMENTS, True),
        ({"orphan_dependents": True}, [], DEPLOYMENTS, True),
        ({"orphan_dependents": False}, ["orphan"], DEPLOYMENTS, False),
        ({"propagation_policy": "Background"}, ["orphan"], DEPLOYMENTS, False),
        ({"propagation_policy": "Foreground"}, [], GroupVersionResource("batch", "v1", "jobs"), False),
        ({}, ["x.io/other", "orphan"], DEPLOYMENTS, True),
        ({}, ["foregroundDeletion"], GroupVersionResource("batch", "v1", "jobs"), False),
        ({}, [], GroupVersionResource("batch", "v1", "jobs"), True),
        ({}, [], GroupVersionResource("batch", "v1", "cronjobs"), False),
        ({}, [], GroupVersionResource("", "v1", "replicationcontrollers"), True),
        ({"propagation_policy": "Orphan"}, [], DEFINITIONS, False),
    ],
)
def test_which_deletions_leave_dependents_alone(options: Any, finalizers: Any, resource: Any, expected: bool) -> None:
    asked = attributes("delete", resource=resource, **options)
    assert orphans_dependents(asked, {"metadata": {"finalizers": finalizers}}) is expected


def test_an_object_that_waits_to_orphan() -> None:
    going_object = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["orphan"]}}
    assert waits_to_orphan(going_object)
    assert not waits_to_orphan({"metadata": {"finalizers": ["orphan"]}})
    assert not waits_to_orphan({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        (None, frozenset()),
        ([{"name": "v", "emptyDir": {}}], frozenset()),
        ([{"name": "v", "emptyDir": {}}, {"name": "w", "ephemeral": {}}], frozenset({CLAIMS})),
        ([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}], frozenset({CLAIMS})),
        (["odd"], frozenset({CLAIMS})),
    ],
)
def test_of_pods_only_those_with_claims_own_something(volumes: Any, expected: Any) -> None:
    pod = {"spec": {} if volumes is None else {"volumes": volumes}}
    assert dependent_kinds(PODS.group_resource, pod) == expected


def test_of_others_every_kind_is_looked_at_but_events_own_nothing() -> None:
    assert dependent_kinds(PODS.group_resource, {}) == frozenset({CLAIMS})
    assert dependent_kinds(CONFIG_MAPS.group_resource, {}) is None
    assert dependent_kinds(GroupResource("events.k8s.io", "events"), {}) == frozenset()


def test_dependents_of_dependents_go_and_strangers_do_not() -> None:
    contents = [
        content("grandchild", reference("child")),
        content("child", reference("root")),
        content("root"),
        content("stranger", reference("other")),
        content("other"),
    ]
    assert going(contents, "root") == ["child", "grandchild"]


def test_an_object_with_another_owner_that_stays_is_kept() -> None:
    contents = [content("shared", reference("one"), reference("two")), content("one"), content("two")]
    assert going(contents, "one") == []
    assert going(contents, "one", "two") == ["shared"]


def test_an_object_goes_with_the_last_of_owners_that_go_together() -> None:
    contents = [
        content("left", reference("root")),
        content("right", reference("root")),
        content("below", reference("left"), reference("right")),
    ]
    assert going(contents, "root") == ["below", "left", "right"]


@pytest.mark.parametrize(
    "other",
    [
        reference("absent"),
        reference("two") | {"name": "misnamed"},
        reference("two") | {"kind": "Secret"},
        reference("two") | {"apiVersion": "apps/v1"},
        reference("terminating"),
        reference("elsewhere"),
        {"uid": ["odd"]},
    ],
)
def test_an_owner_that_is_not_surely_there_keeps_nothing(other: Any) -> None:
    contents = [
        content("shared", reference("one"), other),
        content("two"),
        content("terminating", deletionTimestamp="2026-01-01T00:00:00Z"),
        content("elsewhere", namespace="other"),
    ]
    assert going(contents, "one") == ["shared"]


def test_a_cluster_scoped_owner_keeps_what_has_a_namespace() -> None:
    node = (NODES, {"kind": "Node", "metadata": {"name": "n", "uid": "uid-n"}})
    contents = [content("shared", reference("one"), reference("n", "Node")), node]
    assert going(contents, "one") == []


def test_of_several_owners_each_takes_its_own() -> None:
    contents = [content("a1", reference("a")), content("b1", reference("b")), content("b2", reference("b1"))]
    collected = CollectedObjects(["uid-a", "uid-b"], contents)
    assert [obj["metadata"]["name"] for _, obj in collected.along_with(["uid-a"])] == ["a1"]
    assert [obj["metadata"]["name"] for _, obj in collected.along_with(["uid-b"])] == ["b1", "b2"]
