import pytest

from cache.merged_objects import MergedObjects
from cache.resource_kind import PODS, ResourceKind
from cache.selection import Selection
from gateway.apimachinery.schema import GroupVersionResource
from tests.cache.test_cached_object import built
from tests.cache.test_selection import selection
from tests.cache.test_watch_cache import Playbook
from tests.support.objects import pod


@pytest.fixture
def book():
    return Playbook()


def test_an_object_belongs_to_its_member_before_it_is_served_and_stands_after_it_has_left():
    objects = MergedObjects(PODS)
    obj = built(pod("web", uid="1", node="n1", labels={"app": "web"}))
    objects.enrol(obj)
    assert objects.of_member("m1", "default/web") is obj
    assert objects.users("default", "web") == ["m1"]
    assert objects.everything() == []
    objects.serve(obj)
    assert objects.everything() == [obj]
    assert len(objects) == 1
    objects.strike(obj)
    assert objects.of_member("m1", "default/web") is None
    assert (objects.count_of("m1"), objects.group("default/web")) == (0, ())
    assert objects.candidates(selection(fields="spec.nodeName=n1")) == []
    assert objects.everything() == [obj]
    objects.withdraw(obj)
    assert objects.everything() == []
    assert not objects


def test_a_new_state_takes_the_place_of_the_old_one_everywhere():
    objects = MergedObjects(PODS)
    first = built(pod("web", uid="1", created=10, node="n1"))
    second = built(pod("web", uid="2", created=20, node="n1"), cluster="m2", name="web.m2")
    objects.place(second)
    objects.place(first)
    assert objects.group("default/web") == (first, second)
    assert list(objects.contested()) == [(first, second)]
    assert list(objects.qualified()) == [second]
    moved = built(pod("web", uid="2", created=20, node="n2"), cluster="m2", name="web.m2")
    objects.replace(second, moved)
    assert objects.group("default/web") == (first, moved)
    assert objects.served("default/web.m2") is moved
    assert objects.candidates(selection(fields="spec.nodeName=n1")) == [first]
    assert objects.candidates(selection(fields="spec.nodeName=n2")) == [moved]


def test_labels_are_indexed_as_they_are_when_their_turn_comes():
    objects = MergedObjects(PODS)
    known = [built(pod(f"web-{number:04}", labels={"shard": "a"})) for number in range(2_500)]
    known[2_400] = built(pod("web-2400", labels={"shard": "b"}))
    for obj in known:
        objects.place(obj)
    steps = objects.index_labels(selection(labels="shard=b"))
    next(steps)  # the first 2,000 were looked at
    changed = built(pod("web-2400", labels={"shard": "c"}))
    objects.replace(known[2_400], changed)
    assert list(steps) == []
    assert objects.few_candidates(selection(labels="shard=b")) == []
    assert objects.few_candidates(selection(labels="shard=c")) == [changed]


def test_who_answers_to_a_name(book):
    book.observe("a", created=10, uid="1")
    book.observe("b", created=20, uid="2")
    book.observe("a", "db", uid="3")

    def owners(name):
        return [(obj.name, obj.cluster) for obj in book.cache.objects.owners("default", name)]

    assert owners("web") == [("web", "a"), ("web.b", "b")]
    assert owners("web.b") == [("web.b", "b")]
    assert owners("web.a") == [("web", "a")]
    assert owners("db.a") == [("db", "a")]
    assert owners("db.b") == owners("nothing") == owners("web.c") == []
    book.observe("c", "web.b", uid="4")
    assert owners("web.b") == [("web.b", "c")]
    assert owners("web.b.2") == [("web.b.2", "b")]


def test_objects_of_a_member(book):
    book.observe("a", uid="1")
    book.observe("b", uid="2")
    assert book.cache.objects.keys_of("a") == ("default/web",)
    assert book.cache.objects.count_of("a") == 1
    assert book.cache.objects.count_of("c") == 0
    assert book.cache.objects.of_member("b", "default/web").name == "web.b"
    assert book.cache.objects.of_member("c", "default/web") is None


def test_what_is_served_under_a_key(book):
    book.observe("a", uid="1")
    book.observe("b", uid="2")
    assert book.cache.objects.served("default/web").cluster == "a"
    assert book.cache.objects.served("default/web.b").cluster == "b"
    assert book.cache.objects.served("default/x") is None


def test_candidates(book):
    book.observe("a", "x", uid="1", node="n1")
    book.observe("a", "z", uid="3")
    names = lambda **wanted: [obj.name for obj in book.cache.objects.candidates(selection(**wanted))]  # noqa: E731  (short, and used once)
    assert names() == ["x", "z"]
    assert names(namespace="other") == []
    assert names(fields="spec.nodeName=n1") == ["x"]
    assert names(fields="spec.nodeName=n2") == []
    assert names(namespace="default", fields="metadata.name=z") == ["z"]
    assert names(namespace="default", fields="metadata.name=nothing") == []


def test_the_index_follows_changes(book):
    def on(node):
        return [obj.name for obj in book.cache.objects.candidates(selection(fields=f"spec.nodeName={node}"))]

    book.observe("a", rv="1", uid="1", created=20)
    assert on("n1") == []
    book.observe("a", rv="2", uid="1", created=20, node="n1")
    assert on("n1") == ["web"]
    book.observe("a", rv="3", uid="1", created=20, node="n1", phase="Failed")
    assert on("n1") == ["web"]
    book.observe("b", uid="2", created=10, node="n1")
    assert on("n1") == ["web", "web.a"]
    book.observe("a", rv="4", uid="1", created=20, node="n2")
    assert (on("n1"), on("n2")) == (["web"], ["web.a"])
    book.forget("a")
    book.forget("b")
    assert (on("n1"), on("n2")) == ([], [])


def test_only_the_pods_of_a_workload_are_looked_at(book):
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5f7b", "controller": True}
    owned = {"labels": {"pod-template-hash": "5f7b"}, "ownerReferences": [owner]}
    book.observe("a", "web-5f7b-x", uid="1", created=10, **owned)
    book.observe("b", "web-5f7b-x", uid="2", created=20, **owned)
    book.observe("a", "web-5f7b-x", namespace="other", uid="3", **owned)
    book.observe("a", "web", uid="4")

    def of(workload, namespace="default"):
        wanted = selection(namespace=namespace, fields=f"fleetgate.io/workload={workload}")
        return [obj.key for obj in book.cache.objects.candidates(wanted)]

    assert of("deployments.apps/web") == ["default/web-5f7b-x", "default/web-5f7b-x.b"]
    assert of("replicasets.apps/web-5f7b") == of("deployments.apps/web")
    assert of("deployments.apps/web", "") == [*of("deployments.apps/web"), "other/web-5f7b-x"]
    assert of("deployments.apps/other") == []
    book.observe("b", "web-5f7b-x", rv="11", uid="2", created=20)
    assert of("deployments.apps/web") == ["default/web-5f7b-x"], "its owner has released it"


def test_kinds_without_an_index():
    book = Playbook(ResourceKind.generic(GroupVersionResource("", "v1", "pods"), "Pod"))
    book.observe("a")
    everything = Selection(selection().query, ResourceKind.generic(GroupVersionResource("", "v1", "pods"), "Pod"))
    assert [obj.name for obj in book.cache.objects.candidates(everything)] == ["web"]
