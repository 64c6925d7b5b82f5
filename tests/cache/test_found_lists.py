import random

import pytest

from cache.found_lists import LONGEST, FoundLists
from cache.merged_objects import MergedObjects
from cache.resource_kind import PODS
from tests.cache.test_cached_object import built
from tests.cache.test_merged_resource import Desk
from tests.cache.test_selection import selection
from tests.support.objects import pod

SELECTORS = (
    {"labelSelector": "shard=a"},
    {"labelSelector": "shard=b,app=x"},
    {"fieldSelector": "spec.nodeName=n1"},
    {"fieldSelector": "spec.nodeName=n1", "labelSelector": "shard!=a"},
    {"labelSelector": "shard in (a,b)"},
)


async def test_a_list_that_nothing_has_changed_is_found_again():
    desk = Desk()
    obj = desk.put(labels={"shard": "a"})
    first = await desk.list(labelSelector="shard=a")
    again = await desk.list(labelSelector="shard=a")
    assert first.items[0] is again.items[0] is obj
    assert desk.cacher.cache.objects.found.of(selection(labels="shard=a")) == (obj,)
    desk.put("other", labels={"shard": "b"})
    assert desk.cacher.cache.objects.found.of(selection(labels="shard=a")) == (obj,)
    assert (await desk.list(labelSelector="shard=a")).resource_version > first.resource_version


async def test_what_is_found_again_is_what_there_is():
    """Changes of every kind between lists, beside a look at each object; two members use the same names."""
    dice = random.Random(7)
    desk, history = Desk(), []
    for _ in range(150):
        change = dice.choice(["put", "put", "put", "delete"])
        name, cluster = f"web-{dice.randrange(6)}", f"m{dice.randrange(2)}"
        facts = {
            "labels": {"shard": dice.choice("abc"), "app": dice.choice("xy")},
            "node": dice.choice(["n1", "n2"]),
            "rv": str(len(history) + 1),
        }
        history.append((change, name, cluster, facts))
        _do(desk, *history[-1])
        for selector in SELECTORS:
            found = [(obj.key, obj.member_rv) for obj in (await desk.list(**selector)).items]
            fresh = [
                (obj.key, obj.member_rv)
                for obj in desk.cacher.cache.objects.everything()
                if selection(
                    labels=selector.get("labelSelector", ""), fields=selector.get("fieldSelector", "")
                ).matches(obj)
            ]
            assert found == fresh, (history[-1], selector)


def _do(desk, change, name, cluster, facts):
    if change == "put":
        desk.put(name, cluster, **facts)
    elif desk.cacher.cache.objects.of_member(cluster, f"default/{name}"):
        desk.cacher.cache.forget(cluster, f"default/{name}")
        desk.cacher.changed()


async def test_who_sees_some_members_is_not_told_of_others():
    desk = Desk()
    desk.put("one", "m1", labels={"shard": "a"})
    desk.put("two", "m2", labels={"shard": "a"})
    for visible in (None, "m2".__eq__, "m1".__eq__, None):
        shown = await desk.list(labelSelector="shard=a", visible=visible)
        assert [obj.cluster for obj in shown.items] == [name for name in ("m1", "m2") if not visible or visible(name)]


async def test_a_page_is_no_more_than_was_asked_for():
    desk = Desk()
    for number in range(5):
        desk.put(f"web-{number}", labels={"shard": "a"})
    assert len((await desk.list(labelSelector="shard=a")).items) == 5
    page = await desk.list(labelSelector="shard=a", limit="2")
    assert ([obj.name for obj in page.items], bool(page.continue_token)) == (["web-0", "web-1"], True)


def test_so_many_are_remembered():
    found = FoundLists(limit=2)
    obj = built(pod())
    for label in "abc":
        found.keep(selection(labels=f"l={label}"), [obj])
        found.of(selection(labels="l=a"))
    assert [found.of(selection(labels=f"l={label}")) for label in "abc"] == [(obj,), None, (obj,)]
    for number in range(20):
        found.keep(selection(labels=f"l=a,other!={number}"), [obj])
    assert len(found._lists["l", "a"]) <= 8


@pytest.mark.parametrize("labels", ["", "a!=b", "a in (b,c)"])
def test_what_has_nothing_in_common_is_not_remembered(labels):
    found = FoundLists()
    found.keep(selection(labels=labels, namespace="default"), [built(pod())])
    assert not found


def test_a_long_list_is_not_remembered():
    found = FoundLists()
    obj = built(pod())
    found.keep(selection(labels="a=b"), [obj] * (LONGEST + 1))
    assert not found


def test_an_object_that_changes_ends_what_it_was_and_may_be_in():
    objects = MergedObjects(PODS)
    known = built(pod("web", uid="1", node="n1", labels={"app": "web"}))
    objects.place(known)
    for chosen in (selection(labels="app=web"), selection(labels="app=other"), selection(fields="spec.nodeName=n1")):
        objects.found.keep(chosen, objects.candidates(chosen))
    stays = selection(labels="app=third")
    objects.found.keep(stays, ())
    objects.replace(known, built(pod("web", uid="1", node="n1", labels={"app": "other"})))
    assert objects.found.of(selection(labels="app=web")) is None
    assert objects.found.of(selection(labels="app=other")) is None
    assert objects.found.of(selection(fields="spec.nodeName=n1")) is None
    assert objects.found.of(stays) == ()
