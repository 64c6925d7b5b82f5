import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound
from gateway.apimachinery.meta import JsonObject, ObjectKey, field
from gateway.storage import preparing, validating
from gateway.storage.computing import MAX_SHORT_BYTES, MAX_SHORT_COMMAS, is_long
from gateway.storage.interface import Change, RevisionMismatch, StoredEvent
from gateway.storage.registry import Registry
from gateway.storage.write_context import WriteContext
from gateway.storage.write_target import EmbeddedWriteTarget
from gateway.storage.writes import LARGE_WRITE_ATTEMPTS
from tests.gateway.storage.builders import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    config_map,
    context,
    create,
    create_crd,
    definition,
    delete,
    deployment,
    exists,
    read,
    refusal,
    widget,
    widget_crd,
)
from tests.gateway.storage.test_write_target import request

T = TypeVar("T")

WAITED = 30.0
"""Seconds after which a test that hangs is given up."""

KEY = ObjectKey("default", "d")


def apart(**options: Any) -> WriteContext:
    return replace(context(**options), long=True)


def with_variables(count: int, **metadata: Any) -> JsonObject:
    obj = deployment("d", **metadata)
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": f"E{i}", "value": "v"} for i in range(count)]
    return obj


class Held:
    """Holds what is worked out in the thread at a function, until it is let go; the event loop passes there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, place: Any, name: str) -> None:
        self._reached, self._go, self._loop_thread = threading.Event(), threading.Event(), threading.current_thread()
        real = getattr(place, name)

        def holding(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not self._loop_thread:
                self._reached.set()
                assert self._go.wait(WAITED)
            return real(*arguments, **named)

        monkeypatch.setattr(place, name, holding)

    async def reached(self, task: asyncio.Task[Any]) -> None:
        async with asyncio.timeout(WAITED):
            while not self._reached.is_set():
                assert not task.done(), "it was worked out on the event loop"
                await asyncio.sleep(0.001)

    def let_go(self) -> None:
        self._go.set()


Hold = Callable[[Any, str], Held]


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    made: list[Held] = []

    def hold(place: Any, name: str) -> Held:
        made.append(Held(monkeypatch, place, name))
        return made[-1]

    yield hold
    for held in made:
        held.let_go()


def begin(write: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(write)


async def test_the_event_loop_turns_and_others_write_while_a_long_write_is_worked_out(
    registry: Registry, hold: Hold
) -> None:
    held = hold(preparing, "validate")
    deployments = definition(registry, "apps/v1", "deployments")
    task = begin(registry.create(deployments, "default", with_variables(1000), apart()))
    await held.reached(task)
    for number in range(5):
        await create(registry, config_map(f"short-{number}"))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not task.done()
    held.let_go()
    assert (await task)["metadata"]["generation"] == 1


async def test_a_short_write_is_worked_out_at_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    real = validating.validate

    def validate(*arguments: Any) -> None:
        threads.add(threading.current_thread())
        real(*arguments)

    monkeypatch.setattr(preparing, "validate", validate)
    await create(registry, config_map())
    assert threads == {threading.current_thread()}


async def test_what_is_long_in_the_store_is_worked_out_apart_however_short_the_patch(
    registry: Registry, hold: Hold
) -> None:
    deployments = definition(registry, "apps/v1", "deployments")
    await create(registry, with_variables(600))
    held = hold(preparing, "validate")
    patch = {"metadata": {"labels": {"a": "b"}}}
    task = begin(registry.patch(deployments, KEY, MERGE, patch, context()))
    await held.reached(task)
    held.let_go()
    assert (await task).obj["metadata"]["labels"] == {"a": "b"}


async def test_a_patch_that_copies_is_worked_out_apart(registry: Registry, hold: Hold) -> None:
    maps = definition(registry, "v1", "configmaps")
    await create(registry, config_map("d"))
    held = hold(preparing, "validate")
    patch = [{"op": "copy", "from": "/data/key", "path": "/data/other"}]
    task = begin(registry.patch(maps, KEY, JSON_PATCH, patch, context()))
    await held.reached(task)
    held.let_go()
    assert (await task).obj["data"] == {"key": "value", "other": "value"}


PATCHES: list[tuple[str, Any]] = [
    (MERGE, {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 3}}),
    (MERGE, {"metadata": {"labels": {"a": "b"}}, "spec": {"unknown": 3}}),
    (MERGE, {"spec": {"replicas": -1}}),
    (STRATEGIC, {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "E9"}]}]}}}}),
    (JSON_PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 7}]),
    (JSON_PATCH, [{"op": "test", "path": "/spec/replicas", "value": 99}]),
    (APPLY, with_variables(3)),
]


async def outcome(registry: Registry, media_type: str, patch: Any, *, long: bool, dry_run: bool) -> tuple[Any, ...]:
    """Return what a patch of an object made anew answers, warns and stores; without what is new with every object."""
    deployments = definition(registry, "apps/v1", "deployments")
    await create(registry, with_variables(2))
    said: list[str] = []
    asked = replace(context(warnings=said, dry_run=dry_run, validation="Warn", force=True), long=long)
    try:
        answer = (await registry.patch(deployments, KEY, media_type, patch, asked)).obj
    except ApiError as error:
        answer = {"code": error.code, "message": error.message, "metadata": {}}
    stored = read(registry, deployments, "d")
    await delete(registry, deployments, "d", propagation_policy="Background")
    for obj in (answer, stored):
        for name in ("uid", "resourceVersion"):
            obj["metadata"].pop(name, None)
    return answer, stored, said


@pytest.mark.parametrize(("media_type", "patch"), PATCHES)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_long_write_makes_what_a_short_one_makes(
    registry: Registry, media_type: str, patch: Any, dry_run: bool
) -> None:
    short = await outcome(registry, media_type, patch, long=False, dry_run=dry_run)
    assert await outcome(registry, media_type, patch, long=True, dry_run=dry_run) == short


async def test_warnings_are_given_out_on_the_event_loop(registry: Registry) -> None:
    said: list[tuple[str, threading.Thread]] = []
    asked = replace(
        apart(validation="Warn", duplicates=('duplicate field "data"',)),
        warn=lambda text: said.append((text, threading.current_thread())),
    )
    maps = definition(registry, "v1", "configmaps")
    await registry.create(maps, "default", {**config_map(), "x": 1}, asked)
    here = threading.current_thread()
    assert said == [('duplicate field "data"', here), ('unknown field "x"', here)]


async def test_a_short_write_meanwhile_is_kept(registry: Registry, hold: Hold) -> None:
    deployments = definition(registry, "apps/v1", "deployments")
    await create(registry, deployment("d"))
    held = hold(preparing, "validate")
    long = {"metadata": {"labels": {"long": "yes"}}}
    task = begin(registry.patch(deployments, KEY, MERGE, long, apart()))
    await held.reached(task)
    await registry.patch(deployments, KEY, MERGE, {"metadata": {"labels": {"short": "yes"}}}, context())
    assert not task.done()
    held.let_go()
    await task
    assert read(registry, deployments, "d")["metadata"]["labels"] == {"long": "yes", "short": "yes"}


async def test_a_long_update_of_a_version_that_is_gone_is_a_conflict(registry: Registry, hold: Hold) -> None:
    deployments = definition(registry, "apps/v1", "deployments")
    made = await create(registry, deployment("d"))
    held = hold(preparing, "validate")
    made["spec"]["replicas"] = 5
    task = begin(registry.update(deployments, KEY, made, apart()))
    await held.reached(task)
    await registry.patch(deployments, KEY, MERGE, {"spec": {"replicas": 4}}, context())
    held.let_go()
    with pytest.raises(ApiError) as caught:
        await task
    assert refusal(caught)[:2] == (409, "Conflict")
    assert read(registry, deployments, "d")["spec"]["replicas"] == 4


async def test_a_long_write_that_never_comes_first_is_a_conflict_soon(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = definition(registry, "v1", "configmaps")
    await create(registry, config_map("d"))
    tries = []

    async def too_late(change: Change) -> StoredEvent:
        tries.append(change)
        raise RevisionMismatch(change.expected + 1)

    monkeypatch.setattr(registry.storage, "write", too_late)
    with pytest.raises(ApiError) as caught:
        await registry.patch(maps, KEY, MERGE, {"data": {"x": "y"}}, apart())
    assert refusal(caught)[:2] == (409, "Conflict")
    assert len(tries) == LARGE_WRITE_ATTEMPTS


async def test_nothing_is_created_in_a_namespace_that_ended_meanwhile(registry: Registry, hold: Hold) -> None:
    maps, namespaces = definition(registry, "v1", "configmaps"), definition(registry, "v1", "namespaces")
    await create(registry, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "n"}})
    held = hold(preparing, "validate")
    task = begin(registry.create(maps, "n", config_map(), apart()))
    await held.reached(task)
    await delete(registry, namespaces, "n")
    held.let_go()
    with pytest.raises(ApiError) as caught:
        await task
    assert refusal(caught)[:2] == (403, "Forbidden")
    assert not exists(registry, maps, "a", "n")


async def test_nothing_is_created_of_a_kind_that_went_meanwhile(registry: Registry, hold: Hold) -> None:
    await create_crd(registry, widget_crd())
    widgets = definition(registry, "x.io/v1", "widgets")
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    held = hold(preparing, "validate")
    task = begin(registry.create(widgets, "default", widget(), apart()))
    await held.reached(task)
    stored = registry.storage.get(crds.storage_key, ObjectKey("", "widgets.x.io"))
    assert stored is not None
    await registry.storage.write(Change(crds.storage_key, stored.key, stored.revision, None))
    held.let_go()
    with pytest.raises(PathNotFound):
        await task
    assert not exists(registry, widgets, "w")


async def test_a_name_that_was_taken_meanwhile_is_not_accepted(registry: Registry, hold: Hold) -> None:
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    held = hold(preparing, "validate")
    task = begin(registry.create(crds, "", widget_crd("gadgets", kind="Widget"), apart()))
    await held.reached(task)
    await create_crd(registry, widget_crd("widgets", kind="Widget"))
    held.let_go()
    conditions = field(await task, "status", "conditions")
    assert [entry["status"] for entry in conditions if entry["type"] == "NamesAccepted"] == ["False"]


async def test_many_long_definitions_at_once_are_all_created(registry: Registry) -> None:
    crds = definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")
    made = [widget_crd(f"kind{number}s", kind=f"Kind{number}") for number in range(12)]
    answers = await asyncio.gather(*(registry.create(crds, "", crd, apart()) for crd in made))
    patches = (
        registry.patch(
            crds, ObjectKey("", crd["metadata"]["name"]), MERGE, {"metadata": {"labels": {"a": "b"}}}, apart()
        )
        for crd in answers
    )
    written = await asyncio.gather(*patches)
    assert [answer.obj["metadata"]["labels"] for answer in written] == [{"a": "b"}] * len(made)


async def test_an_address_that_was_taken_meanwhile_is_not_given_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, hold: Hold
) -> None:
    services = definition(registry, "v1", "services")
    held = hold(preparing, "validate")
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    monkeypatch.setattr(preparing, "allocate_cluster_ip", lambda uid, taken: f"10.0.0.{len(taken) + 1}")
    task = begin(registry.create(services, "default", service, apart()))
    await held.reached(task)
    await create(registry, {**service, "metadata": {"name": "other"}})
    held.let_go()
    assert (await task)["spec"]["clusterIP"] == "10.0.0.2"
    assert read(registry, services, "other")["spec"]["clusterIP"] == "10.0.0.1"


def test_what_is_long() -> None:
    assert not is_long(b"x" * MAX_SHORT_BYTES)
    assert is_long(b"x" * (MAX_SHORT_BYTES + 1))
    assert not is_long(b"1," * MAX_SHORT_COMMAS)
    assert is_long(b"1," * (MAX_SHORT_COMMAS + 1))


@pytest.mark.parametrize("verb", ["create", "update", "patch"])
@pytest.mark.parametrize("preview", [False, True])
async def test_a_request_is_long_by_what_its_body_says(
    registry: Registry, hold: Hold, verb: str, preview: bool
) -> None:
    obj = with_variables(MAX_SHORT_COMMAS)
    if verb != "create":
        await create(registry, deployment("d"))
    path = "/apis/apps/v1/namespaces/default/deployments" + ("" if verb == "create" else "/d")
    parts: dict[str, Any] = {"patch": {"spec": obj["spec"]}} if verb == "patch" else {"obj": obj}
    target, asked = EmbeddedWriteTarget(registry), request(verb, path, **parts)
    held = hold(preparing, "validate")
    task = begin(target.preview(asked) if preview else target.apply(asked, None))
    await held.reached(task)
    held.let_go()
    await task
    made = exists(registry, definition(registry, "apps/v1", "deployments"), "d")
    assert made == (verb != "create" or not preview)
