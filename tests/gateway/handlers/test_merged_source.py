import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from cache.freshness import ClusterFreshness
from cache.merged_resource import MergedResource
from cache.multi_cluster_cache import MultiClusterCache
from cache.watcher import everyone
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions, parse_list_options
from gateway.apimachinery.schema import GroupResource, GroupVersionResource
from gateway.authorization.cluster_visibility import NamedClusters
from gateway.handlers.merged_source import (
    VIEW_CHANGED,
    CallerView,
    MergedSource,
    MergedSubscription,
    remember_view,
    served_object,
    stale_warning,
)
from gateway.handlers.read_source import WatchChange
from gateway.printers.printer import MERGED_POD_PRINTER
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from tests.support.fake_member import FakeMember
from tests.support.objects import pod

PODS = GroupVersionResource("", "v1", "pods")
NOW = 1_700_000_600.0


@dataclass
class Fleet:
    pods: MergedResource
    members: dict[str, FakeMember]
    cache: MultiClusterCache
    scope: RequestScope = field(
        default_factory=lambda: RequestScope(
            parse_request_info("GET", "/api/v1/pods", {}), UserInfo("alice"), UserInfo("alice"), "id"
        )
    )

    def source(self, *visible: str) -> MergedSource:
        return self.source_of(CallerView(NamedClusters(frozenset(visible or self.members))))

    def source_of(self, view: CallerView) -> MergedSource:
        return MergedSource(self.pods, MERGED_POD_PRINTER, self.scope, view, lambda: NOW)


def factory(member: FakeMember) -> Callable[[GroupVersionResource], FakeMember]:
    return lambda gvr: member if gvr == PODS else FakeMember()


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    cache = MultiClusterCache(
        now=lambda: NOW,
        jitter=lambda: 0.5,
        token_key=b"0123456789abcdef",
        renderers={GroupResource("", "pods"): MERGED_POD_PRINTER.render},
    )
    task = asyncio.get_running_loop().create_task(cache.run())
    members = {name: FakeMember() for name in ("m1", "m2")}
    for name, member in members.items():
        member.put(pod(f"web-{name}", uid=f"u-{name}"))
        member.put(pod("same", uid=f"s-{name}", created=NOW - 60 if name == "m1" else NOW - 30))
        await cache.add_cluster(name, factory(member))
    resource = cache.resource(PODS)
    assert resource is not None
    await resource.wait_synced(5)
    yield Fleet(resource, members, cache)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lists_what_all_members_have(fleet: Fleet) -> None:
    source = fleet.source()
    page = await source.list("default", parse_list_options({}, watch=False))
    listed = [json.loads(source.item_bytes(item)) for item in page.items]
    assert {item["metadata"]["name"] for item in listed} >= {"web-m1", "web-m2"}
    assert len(listed) == 4
    assert "kind" not in listed[0]
    assert (source.gvk.kind, source.list_kind, source.built_in) == ("Pod", "PodList", True)
    assert fleet.scope.warnings == []


async def test_a_row_names_its_cluster(fleet: Fleet) -> None:
    source = fleet.source()
    stored = await source.get(ObjectKey("default", "web-m2"), "")
    row = json.loads(b"{%b}" % next(source.rows([stored], NOW)))
    shown = dict(zip((column.name for column in source.columns), row["cells"], strict=True))
    assert (shown["Name"], shown["Cluster"], shown["Status"]) == ("web-m2", "m2", "Running")
    assert json.loads(source.object_bytes(stored))["kind"] == "Pod"
    assert json.loads(source.metadata_bytes(stored))["name"] == "web-m2"


async def test_what_the_caller_may_not_see_is_not_there(fleet: Fleet) -> None:
    source = fleet.source("m1")
    page = await source.list("default", parse_list_options({}, watch=False))
    assert {item.cluster for item in page.items} == {"m1"}
    with pytest.raises(ApiError) as refusal:
        await source.get(ObjectKey("default", "web-m2"), "")
    assert refusal.value.message == 'pods "web-m2" not found'


async def test_a_name_in_several_clusters_is_told(fleet: Fleet) -> None:
    stored = await fleet.source().get(ObjectKey("default", "same"), "")
    assert stored.cluster == "m1"
    (warning,) = fleet.scope.warnings
    assert warning.startswith('"same" exists in several clusters')
    assert "(m1)" in warning
    assert "(m2)" in warning


async def test_a_subresource_is_that_of_the_object_that_a_get_answers(fleet: Fleet) -> None:
    scope = replace(fleet.scope, info=parse_request_info("GET", "/api/v1/namespaces/default/pods/same/status", {}))
    read = await fleet.source().get(ObjectKey("default", "same"), "")
    (told,) = fleet.scope.warnings
    fleet.scope.warnings.clear()
    owner = await served_object(fleet.pods, scope, scope.info.key, everyone)
    assert (owner.cluster, owner.original_name, owner.uid) == ("m1", "same", read.uid)
    assert scope.warnings == [told]
    qualified = replace(scope, info=parse_request_info("GET", "/api/v1/namespaces/default/pods/same.m2/status", {}))
    owner = await served_object(fleet.pods, qualified, qualified.info.key, everyone)
    assert (owner.cluster, owner.original_name) == ("m2", "same")
    with pytest.raises(ApiError, match='pods "gone" not found'):
        await served_object(fleet.pods, scope, ObjectKey("default", "gone"), everyone)


async def test_a_member_that_does_not_answer_is_told(fleet: Fleet) -> None:
    fleet.cache.report_unreachable("m2", "connection refused")
    source = fleet.source()
    await source.get(ObjectKey("default", "web-m1"), "")
    assert fleet.scope.warnings == []
    await source.get(ObjectKey("default", "web-m2"), "")
    page = await source.list("default", parse_list_options({}, watch=False))
    assert len(page.items) == 4
    (warning,) = fleet.scope.warnings
    assert warning.startswith('member cluster "m2" does not answer: its objects are as of ')
    await fleet.source("m1").list("default", parse_list_options({}, watch=False))
    assert len(fleet.scope.warnings) == 1


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (
            ClusterFreshness("m1", synced=False, last_contact=0.0, stale_since=None, objects=0, error=""),
            'member cluster "m1" has not been read yet: its objects are missing from this answer',
        ),
        (
            ClusterFreshness("", synced=True, last_contact=NOW - 90, stale_since=NOW - 80, objects=5, error=""),
            "the federation store does not answer: its objects are as of 90s ago",
        ),
        (  # it was heard from since, when it was looked whether there is less
            ClusterFreshness("m1", True, NOW - 9, stale_since=NOW - 300, objects=5, error="", overfull=True),
            'member cluster "m1" has more of this kind than is read of one member: objects are missing from this '
            "answer, the others are as of 5m ago",
        ),
        (  # the first list of it was not read to its end
            ClusterFreshness("m1", False, NOW - 9, stale_since=NOW - 300, objects=5, error="", overfull=True),
            'member cluster "m1" has more of this kind than is read of one member: objects are missing from this '
            "answer, the others are as of 5m ago",
        ),
    ],
)
def test_how_old_an_answer_is(cluster: ClusterFreshness, said: str) -> None:
    assert stale_warning(cluster, NOW) == said


async def test_watches_what_happens_in_members(fleet: Fleet) -> None:
    options = parse_list_options({"watch": "1", "allowWatchBookmarks": "1"}, watch=True)
    watch = await fleet.source().watch("default", options, 60)
    assert [change.type for change in await watch.next_batch()] == ["ADDED"] * 4
    (bookmark,) = await watch.next_batch()
    assert (bookmark.type, bookmark.stored, bookmark.initial_events_end) == ("BOOKMARK", None, True)
    fleet.members["m1"].put(pod("new", uid="n"))
    (event,) = await watch.next_batch()
    assert (event.type, event.stored.name) == ("ADDED", "new")  # type: ignore[union-attr]  # an object
    assert event.memo is not None
    assert event.memo("form", lambda: b"made") == event.memo("form", lambda: b"again") == b"made"
    watch.close()
    assert await watch.next_batch() == []


async def test_an_error_of_the_cache_is_one_of_the_watch(fleet: Fleet) -> None:
    options = parse_list_options({"watch": "1", "resourceVersion": "1"}, watch=True)
    watch = await fleet.source().watch("default", options, 60)
    (change,) = await watch.next_batch()
    assert change.error is not None
    assert (change.type, change.error.code) == ("ERROR", 410)


def by_caller(*names: str) -> CallerView:
    return CallerView(NamedClusters(frozenset(names)), by_caller=True)


def watching(version: str) -> ListOptions:
    return parse_list_options({"watch": "1", "resourceVersion": version}, watch=True)


async def test_what_is_hidden_is_told_of_nowhere(fleet: Fleet) -> None:
    fleet.cache.report_unreachable("m1", "connection refused")
    source = fleet.source_of(by_caller("m2"))
    assert (await source.get(ObjectKey("default", "same"), "")).cluster == "m2"
    for name in ("same.m1", "web-m1"):
        with pytest.raises(ApiError) as refusal:
            await source.get(ObjectKey("default", name), "")
        assert refusal.value.message == f'pods "{name}" not found'
    selected = parse_list_options({"labelSelector": "fleetgate.io/cluster=m1"}, watch=False)
    assert (await source.list("", selected)).items == []
    page = await source.list("", parse_list_options({"limit": "1"}, watch=False))
    assert page.remaining is None
    assert fleet.scope.warnings == []


async def test_a_watch_shows_nothing_of_a_hidden_member(fleet: Fleet) -> None:
    source = fleet.source_of(by_caller("m2"))
    page = await source.list("", parse_list_options({}, watch=False))
    watch = await source.watch("", watching(page.resource_version), 60)
    fleet.members["m1"].put(pod("hidden", uid="h"))
    fleet.members["m2"].put(pod("shown", uid="s"))
    (event,) = await watch.next_batch()
    assert (event.type, event.stored.name) == ("ADDED", "shown")  # type: ignore[union-attr]  # an object


async def test_who_has_only_written_so_far_goes_on_from_the_version_of_the_answer(fleet: Fleet) -> None:
    source = fleet.source_of(by_caller("m2"))
    remember_view(fleet.pods, fleet.scope.user, by_caller("m2"))
    body = json.dumps(fleet.members["m2"].put(pod("new", uid="n"))).encode()
    made = json.loads(await fleet.pods.writes.made("m2", body))
    watch = await source.watch("", watching(made["metadata"]["resourceVersion"]), 60)
    fleet.members["m2"].put(pod("next", uid="x"))
    (event,) = await watch.next_batch()
    assert (event.type, event.stored.name) == ("ADDED", "next")  # type: ignore[union-attr]  # an object


async def test_who_sees_more_than_when_he_listed_must_list_anew(fleet: Fleet) -> None:
    before = (await fleet.source_of(by_caller("m1")).list("", parse_list_options({}, watch=False))).resource_version
    more = fleet.source_of(by_caller("m1", "m2"))
    (change,) = await (await more.watch("", watching(before), 60)).next_batch()
    assert change.error is not None
    assert (change.type, change.error.code, change.error.reason) == ("ERROR", 410, "Expired")
    page = await more.list("", parse_list_options({}, watch=False))
    assert {item.cluster for item in page.items} == {"m1", "m2"}
    watch = await more.watch("", watching(page.resource_version), 60)
    fleet.members["m2"].put(pod("new", uid="n"))
    assert [change.type for change in await watch.next_batch()] == ["ADDED"]


async def test_an_open_watch_goes_no_further_than_the_view_that_it_shows(fleet: Fleet) -> None:
    source = fleet.source_of(by_caller("m1"))
    page = await source.list("", parse_list_options({}, watch=False))
    watch = await source.watch("", watching(page.resource_version), 60)
    await fleet.source_of(by_caller("m1", "m2")).list("", parse_list_options({}, watch=False))
    fleet.members["m1"].put(pod("new", uid="n"))
    (change,) = await watch.next_batch()
    assert change.error is not None
    assert (change.error.code, change.error.message) == (410, VIEW_CHANGED)


class Client:
    """Who is sent the names of what changes."""

    form = "names"

    def __init__(self) -> None:
        self.told: list[str] = []

    def encode(self, changes: Sequence[WatchChange]) -> bytes:
        return " ".join(change.stored.name for change in changes if change.stored).encode()

    def ready(self) -> bool:
        return True

    def write(self, data: bytes) -> None:
        self.told += data.decode().split()


async def test_many_watches_are_told_at_once_unless_they_look_different(fleet: Fleet) -> None:
    watches = [fleet.source("m1", "m2"), fleet.source_of(by_caller("m1", "m2")), fleet.source_of(by_caller("m1"))]
    async with asyncio.TaskGroup() as tasks:
        clients = [Client() for _ in watches]
        following = []
        for source, client in zip(watches, clients, strict=True):
            page = await source.list("", parse_list_options({}, watch=False))
            watch = await source.watch("", watching(page.resource_version), 60)
            following.append(tasks.create_task(_follow(watch, client)))
        fleet.members["m1"].put(pod("one", uid="1"))
        fleet.members["m2"].put(pod("two", uid="2"))
        while not clients[0].told[1:]:
            await asyncio.sleep(0.01)
        assert [sorted(client.told) for client in clients[::2]] == [["one", "two"], ["one"]]
        (refused,) = await following[1]
        assert refused.error is not None
        assert refused.error.message == VIEW_CHANGED, "a watch was opened with another view since"
        for task in following:
            task.cancel()


async def _follow(watch: MergedSubscription, client: Client) -> Sequence[WatchChange]:
    return await watch.next_batch(client)


async def test_a_list_that_was_overtaken_is_no_start_for_the_later_view(fleet: Fleet) -> None:
    overtaken, later = fleet.source_of(by_caller("m1")), fleet.source_of(by_caller("m1", "m2"))
    everything = parse_list_options({}, watch=False)
    whole = fleet.pods.list

    async def slow(*arguments: Any, **options: Any) -> Any:
        page = await whole(*arguments, **options)
        await later.list("", everything)
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overtaken, "_resource", SimpleNamespace(list=slow, view_since=fleet.pods.view_since))
        version = (await overtaken.list("", everything)).resource_version
    (change,) = await (await later.watch("", watching(version), 60)).next_batch()
    assert change.error is not None
    assert change.error.code == 410


async def test_where_all_see_the_same_nothing_is_remembered(fleet: Fleet) -> None:
    version = (await fleet.source("m1").list("", parse_list_options({}, watch=False))).resource_version
    fleet.members["m2"].put(pod("new", uid="n"))
    watch = await fleet.source("m1", "m2").watch("", watching(version), 60)
    assert [change.type for change in await watch.next_batch()] == ["ADDED"]
