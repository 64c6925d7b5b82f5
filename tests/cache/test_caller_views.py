"""What a merged resource does for callers who see some members only, and for those who begin to see others."""

import pytest

from cache.caller_views import CallerViews
from cache.history import DEFAULT_LIMITS, History
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import parse_list_options
from tests.cache.test_merged_resource import Desk


def first(cluster: str) -> bool:
    return cluster == "m1"


def second(cluster: str) -> bool:
    return cluster == "m2"


@pytest.fixture
def views() -> CallerViews:
    marks = iter(range(1, 100))
    return CallerViews(lambda: next(marks), limit=2)


def test_a_view_begins_when_it_is_first_seen_and_lasts(views):
    assert [views.since("alice", "m1"), views.since("alice", "m1"), views.since("bob", "m1")] == [1, 1, 2]


def test_another_view_begins_anew(views):
    assert [views.since("alice", view) for view in ("m1", "m1 m2", "m1")] == [1, 2, 3]


def test_of_whom_is_forgotten_nothing_is_known(views):
    for caller in ("alice", "bob", "alice", "carol"):
        views.since(caller, "m1")
    assert views.since("alice", "m1") == 1
    assert views.since("bob", "m1") == 4


def test_whether_a_view_still_holds(views):
    since = views.since("alice", "m1")
    assert views.holds("alice", "m1", since)
    views.since("alice", "m2")
    assert not views.holds("alice", "m1", since)
    views.since("alice", "m1")
    assert not views.holds("alice", "m1", since), "something was missed in between"
    assert views.holds("a stranger", "m1", 7)


def test_a_version_without_an_event_is_known_until_the_history_is_beyond_it():
    history = History(10, DEFAULT_LIMITS)
    history.mark(12)
    assert history.knows(12)
    assert not history.knows(11)
    history._floor = 13
    assert not history.knows(12)


async def test_a_watch_goes_on_from_a_version_at_which_nothing_happened():
    desk = Desk()
    desk.put("a")
    since = desk.pods.view_since("alice", "m1")
    page = await desk.list(visible=first)
    desk.put("b")
    watch = await desk.pods.watch(
        "", parse_list_options({"watch": "1", "resourceVersion": page.resource_version}, watch=True),
        visible=first, timeout=10, since=since,
    )  # fmt: skip
    assert [(event.type, event.object.name) for event in await watch.next_batch()] == [("ADDED", "b")]


async def opening(desk: Desk, version: str, since: int) -> list:
    options = parse_list_options({"watch": "1", "resourceVersion": version}, watch=True)
    watch = await desk.pods.watch("", options, visible=second, timeout=10, since=since)
    return [(event.type, event.status and event.status["code"]) for event in watch.poll()]


async def test_a_watch_from_before_the_view_has_to_list_anew():
    desk = Desk()
    desk.put("a", cluster="m2")
    desk.pods.view_since("alice", "m1")
    before = (await desk.list(visible=first)).resource_version
    since = desk.pods.view_since("alice", "m2")
    after = (await desk.list(visible=second)).resource_version
    assert await opening(desk, before, since) == [("ERROR", 410)]
    assert await opening(desk, after, since) == []
    assert await opening(desk, "0", since) == [("ADDED", None)]


async def test_a_list_from_before_the_view_is_not_continued():
    desk = Desk()
    for name in "abcd":
        desk.put(name)
    since = desk.pods.view_since("alice", "m1")
    options = parse_list_options({"limit": "2"}, watch=False)
    page = await desk.pods.list("", options, visible=first, binding="alice", since=since)
    more = parse_list_options({"limit": "2", "continue": page.continue_token}, watch=False)
    assert len((await desk.pods.list("", more, visible=first, binding="alice", since=since)).items) == 2
    since = desk.pods.view_since("alice", "m2")
    with pytest.raises(ApiError) as refusal:
        await desk.pods.list("", more, visible=second, binding="alice", since=since)
    assert refusal.value.code == 410


async def test_a_token_of_another_caller_or_another_query_is_refused():
    desk = Desk()
    for name in "abcd":
        desk.put(name)
    token = (await desk.list(binding="alice", limit="2")).continue_token
    for binding, query in (("bob", {}), ("alice", {"labelSelector": "a=b"}), ("alice", {"namespace": "default"})):
        with pytest.raises(ApiError) as refusal:
            await desk.list(binding=binding, limit="2", **{**query, "continue": token})
        assert refusal.value.code == 400
        assert "continue key is not valid" in refusal.value.message


async def test_pages_do_not_tell_of_what_is_hidden_behind_them():
    desk = Desk()
    for name in ("a", "b"):
        desk.put(name)
    for number in range(50):
        desk.put(f"c{number}", cluster="m2")
    page = await desk.list(visible=first, limit="2")
    assert ([obj.name for obj in page.items], page.continue_token, page.remaining) == (["a", "b"], "", None)
    page = await desk.list(visible=first, limit="1")
    assert page.continue_token
    assert page.remaining is None, "it would count hidden ones"


async def test_a_hidden_object_takes_no_name_away():
    desk = Desk()
    desk.put("web", cluster="m1", created=10)
    desk.put("web", cluster="m2", created=20)
    desk.put("web.m2", cluster="m1")
    assert [obj.cluster for obj in desk.pods.owners("default", "web.m2")] == ["m1"]
    for name in ("web", "web.m2"):
        assert [obj.cluster for obj in desk.pods.owners("default", name, visible=second)] == ["m2"]
    assert desk.pods.owners("default", "web.m1", visible=second) == ()
