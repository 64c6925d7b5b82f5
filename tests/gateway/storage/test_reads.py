import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.field_selectors import parse_field_selector
from gateway.apimachinery.label_selectors import parse_label_selector
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.storage.interface import Change, Storage, StoredEvent, encode_value
from gateway.storage.reads import ListResult, RegistryWatch, open_watch, read_list
from gateway.storage.revision import ContinueToken
from gateway.storage.selection import Selection
from tests.gateway.storage.test_definitions import find

CONFIG_MAPS = find("v1", "configmaps")


async def put(
    storage: Storage, name: str, label: str = "x", namespace: str = "ns", resource: str = "configmaps"
) -> int:
    key = ObjectKey(namespace, name)
    current = storage.get(resource, key)
    value = encode_value({"metadata": {"name": name, "labels": {"l": label}}})
    event = await storage.write(Change(resource, key, current.revision if current else 0, value))
    return event.revision


async def drop(storage: Storage, name: str) -> int:
    current = storage.get("configmaps", ObjectKey("ns", name))
    assert current is not None
    return (await storage.write(Change("configmaps", ObjectKey("ns", name), current.revision, None))).revision


async def page(
    storage: Storage, namespace: str = "", labels: str = "", fields: str = "", **options: object
) -> ListResult:
    chosen = ListOptions(
        label_selector=parse_label_selector(labels),
        field_selector=parse_field_selector(fields),
        **options,  # type: ignore[arg-type]  # the fields of ListOptions by name
    )
    return await read_list(storage, Selection.of(CONFIG_MAPS, namespace, chosen), chosen)


def names(result: ListResult) -> list[str]:
    return [stored.key.name for stored in result.items]


async def watch(storage: Storage, labels: str = "", **options: object) -> RegistryWatch:
    chosen = ListOptions(
        label_selector=parse_label_selector(labels),
        watch=True,
        **options,  # type: ignore[arg-type]  # the fields of ListOptions by name
    )
    return await open_watch(storage, Selection.of(CONFIG_MAPS, "", chosen), chosen)


def told(events: list[StoredEvent]) -> list[tuple[str, str]]:
    return [(event.type, event.object.key.name if event.object else "") for event in events]


async def test_a_list_shows_the_newest_state_and_its_revision(storage: Storage) -> None:
    await put(storage, "b")
    await put(storage, "a")
    last = await put(storage, "z", resource="others")
    result = await page(storage)
    assert names(result) == ["a", "b"]
    assert (result.resource_version, result.continue_token, result.remaining) == (str(last), "", None)


async def test_pages_show_one_revision_whatever_happens_between_them(storage: Storage) -> None:
    for name in "abcde":
        await put(storage, name)
    first = await page(storage, limit=2)
    assert (names(first), first.remaining) == (["a", "b"], 3)
    await drop(storage, "c")
    await put(storage, "d", "changed")
    await put(storage, "aa")
    second = await page(storage, limit=2, continue_token=first.continue_token)
    assert (names(second), second.remaining) == (["c", "d"], 1)
    assert second.items[1].metadata.labels == {"l": "x"}
    third = await page(storage, limit=2, continue_token=second.continue_token)
    assert (names(third), third.continue_token, third.remaining) == (["e"], "", None)
    assert {result.resource_version for result in (first, second, third)} == {first.resource_version}


async def test_pages_of_a_quiet_resource_need_no_history(storage: Storage) -> None:
    for name in "abc":
        await put(storage, name)
    first = await page(storage, limit=2)
    await put(storage, "noise", resource="others")
    second = await page(storage, limit=2, continue_token=first.continue_token)
    assert (names(second), second.resource_version) == (["c"], first.resource_version)


@pytest.mark.parametrize("change", [False, True])
async def test_pages_of_selected_objects_do_not_count_the_rest(storage: Storage, change: bool) -> None:
    for number in range(9):
        await put(storage, f"n{number}", "x" if number % 2 else "y")
    first = await page(storage, labels="l=x", limit=3)
    assert (names(first), first.remaining) == (["n1", "n3", "n5"], None)
    if change:
        await put(storage, "n7", "y")
    second = await page(storage, labels="l=x", limit=3, continue_token=first.continue_token)
    assert (names(second), second.continue_token) == (["n7"], "")


async def test_one_name_is_looked_up(storage: Storage) -> None:
    await put(storage, "a")
    await put(storage, "b")
    await put(storage, "a", namespace="other")
    assert names(await page(storage, "ns", fields="metadata.name=a")) == ["a"]
    assert len((await page(storage, fields="metadata.name=a")).items) == 2
    assert names(await page(storage, "ns", fields="metadata.name=a", labels="l=other")) == []
    assert names(await page(storage, "ns", fields="metadata.name=nope")) == []


async def test_the_meaning_of_resource_versions(storage: Storage) -> None:
    first = await put(storage, "a")
    await put(storage, "b")
    last = await put(storage, "c")
    exact = await page(storage, resource_version=str(first), resource_version_match="Exact")
    assert (names(exact), exact.resource_version) == (["a"], str(first))
    legacy = await page(storage, resource_version=str(first), limit=5)
    assert (names(legacy), legacy.resource_version) == (["a"], str(first))
    newer = await page(storage, resource_version=str(first), resource_version_match="NotOlderThan")
    assert (names(newer), newer.resource_version) == (["a", "b", "c"], str(last))
    plain = await page(storage, resource_version=str(first))
    assert names(plain) == ["a", "b", "c"]
    any_version = await page(storage, resource_version="0", limit=1)
    assert (names(any_version), any_version.continue_token) == (["a", "b", "c"], "")


async def test_what_a_list_is_refused_for(storage: Storage) -> None:
    await put(storage, "a")
    await put(storage, "b")
    future = str(storage.revision + 1)
    token = (await page(storage, limit=1)).continue_token
    for options, code in (
        ({"resource_version": future}, 504),
        ({"resource_version": future, "resource_version_match": "Exact"}, 504),
        ({"continue_token": ContinueToken(storage.revision + 1, ObjectKey("ns", "a")).encode()}, 504),
        ({"resource_version": "x"}, 400),
        ({"continue_token": "x"}, 400),
        ({"continue_token": token, "resource_version": "1"}, 400),
        ({"resource_version": "1", "resource_version_match": "Exact"}, 410),
        ({"continue_token": ContinueToken(1, ObjectKey("ns", "a")).encode()}, 410),
    ):
        with pytest.raises(ApiError) as refusal:
            await page(storage, **options)
        assert refusal.value.code == code, options


async def test_an_expired_token_lets_the_client_go_on_at_the_newest_revision(storage: Storage) -> None:
    for name in "abc":
        await put(storage, name)
    expired = ContinueToken(1, ObjectKey("ns", "a")).encode()
    with pytest.raises(ApiError) as refusal:
        await page(storage, limit=1, continue_token=expired)
    token = refusal.value.status["metadata"]["continue"]
    result = await page(storage, limit=1, continue_token=token)
    assert (names(result), result.resource_version) == (["b"], str(storage.revision))


async def test_a_watch_without_version_begins_with_the_state(storage: Storage) -> None:
    await put(storage, "b")
    await put(storage, "a")
    opened = await watch(storage)
    assert told(await opened.next_batch()) == [("ADDED", "a"), ("ADDED", "b")]
    await put(storage, "a", "changed")
    assert told(await opened.next_batch()) == [("MODIFIED", "a")]


async def test_initial_events_end_with_exactly_one_bookmark(storage: Storage) -> None:
    await put(storage, "a")
    last = await put(storage, "noise", resource="others")
    opened = await watch(storage, send_initial_events=True, resource_version_match="NotOlderThan")
    events = await opened.next_batch()
    assert told(events) == [("ADDED", "a"), ("BOOKMARK", "")]
    assert (events[1].revision, events[1].initial_events_end) == (last, True)
    await put(storage, "b")
    assert told(await opened.next_batch()) == [("ADDED", "b")]


async def test_an_empty_state_is_only_its_bookmark(storage: Storage) -> None:
    opened = await watch(storage, send_initial_events=True)
    assert told(await opened.next_batch()) == [("BOOKMARK", "")]


async def test_a_watch_from_a_version_goes_on_from_there(storage: Storage) -> None:
    first = await put(storage, "a")
    await put(storage, "b")
    await drop(storage, "a")
    opened = await watch(storage, resource_version=str(first))
    assert told(await opened.next_batch()) == [("ADDED", "b"), ("DELETED", "a")]


async def test_a_watch_that_wants_no_initial_events_begins_now(storage: Storage) -> None:
    await put(storage, "a")
    opened = await watch(storage, send_initial_events=False)
    await put(storage, "b")
    assert told(await opened.next_batch()) == [("ADDED", "b")]


async def test_a_watch_from_the_future_waits_for_it(storage: Storage) -> None:
    future = storage.revision + 2
    opened = await watch(storage, resource_version=str(future))
    for name in "abc":
        await put(storage, name)
    assert told(await opened.next_batch()) == [("ADDED", "c")]


async def test_selected_events_and_what_a_bookmark_may_say(storage: Storage) -> None:
    opened = await watch(storage, "l=x", resource_version=str(storage.revision))
    await put(storage, "other", "y")
    seen = await put(storage, "a", "x")
    unseen = await put(storage, "late", "y")
    assert opened.bookmark_revision() < seen
    assert told(await opened.next_batch()) == [("ADDED", "a")]
    assert opened.bookmark_revision() == unseen
    noise = await put(storage, "noise", resource="others")
    assert opened.bookmark_revision() == noise
    opened.close()
    assert await opened.next_batch() == []


async def test_what_a_watch_is_refused_for(storage: Storage) -> None:
    await put(storage, "a")
    with pytest.raises(ApiError) as old:
        await watch(storage, resource_version="1")
    assert (old.value.code, old.value.reason) == (410, "Expired")
    assert old.value.message.startswith("too old resource version: 1 (")
    with pytest.raises(ApiError) as future:
        await watch(storage, resource_version=str(storage.revision + 1), send_initial_events=True)
    assert future.value.code == 504
    with pytest.raises(ApiError) as unreadable:
        await watch(storage, resource_version="x")
    assert unreadable.value.code == 422
