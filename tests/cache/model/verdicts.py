"""What must hold of the merged view: when all is quiet, and of everything that it ever told."""

import json
from typing import TYPE_CHECKING

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import parse_list_options
from tests.cache.model.timeline import key_of
from tests.cache.model.views import cluster_of, original_name_of
from tests.support.fake_member import REVISION_ANNOTATION

if TYPE_CHECKING:
    from tests.cache.model.world import World


async def check_union(world: "World") -> None:
    expected = world.members.served()
    listed = await world.pods.list("", parse_list_options({}, watch=False))
    found = {obj.key: (obj.cluster, obj.uid) for obj in listed.items}
    assert found == expected, f"lost {expected.items() - found.items()}, ghosts {found.items() - expected.items()}"
    assert list(listed.stale) == []
    for obj in listed.items:
        _check_same(json.loads(world.pods.object(obj)), world.members.truth(obj.cluster, obj.uid))
        assert obj.member_rv == world.members.truth(obj.cluster, obj.uid)["metadata"]["resourceVersion"]
    for cluster in world.pods.freshness():
        member = world.members.of[cluster.name]
        assert cluster.objects == len(member.objects) * member.served
    check_owners(world, expected)


def check_owners(world: "World", expected: dict[str, tuple[str, str]]) -> None:
    for key, (_, uid) in expected.items():
        namespace, name = key.split("/")
        assert world.pods.owners(namespace, name)[0].uid == uid
    joined = {cluster for cluster in world.members.joined if world.members.of[cluster].served}
    for cluster in joined:
        for namespace, name in world.members.of[cluster].objects:
            others = {
                world.members.of[other].objects[namespace, name]["metadata"]["uid"]
                for other in joined
                if (namespace, name) in world.members.of[other].objects
            }
            assert {obj.uid for obj in world.pods.owners(namespace, name)} == others


def check_followers(world: "World") -> None:
    everything = world.everything_encoded()
    for follower in world.followers:
        assert follower.synced, f"{follower.name} is not synced"
        wanted = {key: body for key, body in everything.items() if follower.view.wanted(json.loads(body))}
        assert follower.store == wanted, f"{follower.name} has {sorted(follower.store)}, should have {sorted(wanted)}"


def check_authenticity(world: "World") -> None:
    """Nothing that was served is invented, and no object went back in time unless its member did."""
    newest: dict[str, int] = {}
    for version, event_type, key, body in world.timeline.events:
        obj = json.loads(body)
        uid, revision = obj["metadata"]["uid"], obj["metadata"]["annotations"][REVISION_ANNOTATION]
        states = world.members.of[cluster_of(obj)].ever[uid, revision]
        assert any(_same(obj, state) for state in states), f"{key} at {version} never was so"
        if not world.script.returning and event_type != "DELETED":
            assert int(revision) >= newest.get(uid, 0), f"{key} went back in time at {version}"
            newest[uid] = int(revision)


def check_steadiness(world: "World") -> None:
    """Nothing went that came again, other than under another name, unless its member went or lost it."""
    if world.script.returning or len(world.timeline.beginnings) > 1:
        return
    gone: dict[str, str] = {}
    for version, event_type, key, body in world.timeline.events:
        obj = json.loads(body)
        uid = obj["metadata"]["uid"]
        if event_type == "DELETED":
            gone[uid] = key
        elif event_type == "ADDED" and gone.pop(uid, "") == key:
            assert cluster_of(obj) in world.lost, f"{key} was said to be gone and is there again at {version}"


def _same(served: JsonObject, truth: JsonObject) -> bool:
    metadata, original = served["metadata"], truth["metadata"]
    return (
        served["status"] == truth["status"]
        and served["spec"] == truth["spec"]
        and metadata.get("labels") == original.get("labels")
        and metadata["uid"] == original["uid"]
        and metadata["creationTimestamp"] == original["creationTimestamp"]
        and metadata["namespace"] == original["namespace"]
        and original_name_of(served) == original["name"]
    )


def _check_same(served: JsonObject, truth: JsonObject) -> None:
    assert _same(served, truth), f"{key_of(served)}: {served} is not {truth}"
