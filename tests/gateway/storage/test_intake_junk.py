"""Objects with nulls and values of the wrong type in any place: refused or decoded, never a failure of the server."""

import asyncio
import copy
import re
import tempfile
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.apimachinery.schema import GroupVersion
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.interface import Change, StoredObject, encode_value
from gateway.storage.registry import Registry
from gateway.storage.resources import CLUSTERS, MEMBER_RESOURCES
from gateway.storage.sqlite import SqliteStorage
from gateway.write_request import DeleteOptions
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
    until,
    widget,
    widget_crd,
)
from tests.gateway.storage.test_registry import running

Path_ = tuple[str | int, ...]

JUNK: list[Any] = [None, [None], {"a": None}, 0, "", [], {}, [[]], True, 1.5, "x"]
METADATA: JsonObject = {
    "labels": {"a": "b"},
    "annotations": {"a": "b"},
    "finalizers": ["example.com/f"],
    "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u"}],
    "managedFields": [
        {
            "manager": "m",
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {}},
        }
    ],
}
EVERY_KIND = (*MEMBER_RESOURCES, CLUSTERS)

_AS_KUBERNETES = re.compile(
    r"failed to create typed|failed add back owned items|declared merge key|list element types are not identical"
    r"|resourceVersion should not be set|strconv.ParseUint|the spec replicas field .* does not exist"
)
"""Bad input that kube-apiserver answers with a 500 as well, in these words."""


def samples() -> list[JsonObject]:
    """Return valid objects of every kind that is served."""
    folder = Path(__file__).parent / "defaulting" / "testdata"
    listed = yaml.safe_load((folder / "samples.yaml").read_text()).values()
    kinds = {entry.kind for entry in EVERY_KIND}
    found: list[JsonObject] = [obj for objects in listed for obj in objects if obj["kind"] in kinds]
    cluster = {"kind": "Cluster", "apiVersion": "cluster.karmada.io/v1alpha1", "spec": {"syncMode": "Push"}}
    revision = {"kind": "ControllerRevision", "apiVersion": "apps/v1", "revision": 1, "data": {"a": [None]}}
    role = {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "rules": [{"verbs": ["*"]}]}
    return [
        *found,
        *({**obj, "metadata": {"name": "sample"}} for obj in (cluster, revision, role)),
        widget(replicas=1, free={"a": [None]}),
        widget_crd("gadgets", "Gadget"),
    ]


SAMPLES = samples()


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every node."""
    yield path
    for step, child in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from paths(child, (*path, step))


def replaced(value: Any, path: Path_, junk: Any) -> Any:
    """Return a copy in which one node is another value."""
    if not path:
        return copy.deepcopy(junk)
    child = replaced(value[path[0]], path[1:], junk)
    if isinstance(value, dict):
        return {**value, path[0]: child}
    return [child if index == path[0] else entry for index, entry in enumerate(value)]


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[JsonObject, JsonObject, list[JsonObject]]:
    """Draw a valid object, the same with junk in it, and the JSON patch that makes the one of the other."""
    sample = draw(st.sampled_from(SAMPLES))
    metadata = {name: METADATA[name] for name in draw(st.sets(st.sampled_from(sorted(METADATA))))}
    valid = {**copy.deepcopy(sample), "metadata": {**sample["metadata"], **metadata}}
    junky, operations = valid, []
    for _ in range(draw(st.integers(1, 3))):
        places = [path for path in paths(junky) if path and path not in {("kind",), ("apiVersion",)}]
        path, junk = draw(st.sampled_from(places)), draw(st.sampled_from(JUNK))
        junky = replaced(junky, path, junk)
        pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
        operations.append({"op": "add" if isinstance(path[-1], str) else "replace", "path": pointer, "value": junk})
    return valid, junky, operations


@dataclass
class Store:
    """A store with its controllers at work, in a loop of its own: examples come and go, it stays."""

    loop: asyncio.AbstractEventLoop
    registry: Registry
    controllers: asyncio.Task[None]
    examples: int = 0

    def find(self, obj: JsonObject) -> ResourceDefinition:
        kind = self.registry.find_kind(GroupVersion.parse(obj["apiVersion"]).kind(obj["kind"]))
        assert kind is not None, obj["kind"]
        return kind

    def check(self) -> None:
        """Assert that everything in the store can be read and that the controllers live."""
        assert not self.controllers.done()
        for kind in self.registry.resources():
            for stored in self.registry.storage.list(kind.storage_key):
                assert stored.metadata.uid
                assert kind.object(stored)["metadata"]["name"] == stored.key.name
                assert kind.object_bytes(stored)
                assert kind.fields(stored)["metadata.name"] == stored.key.name


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:

        async def opened() -> tuple[SqliteStorage, Store]:
            storage = await SqliteStorage.open(Path(folder) / "storage.db", now=lambda: 1_780_000_000.0)
            registry = Registry(storage, EVERY_KIND, now=lambda: 1_780_000_000.0, root_ca="PEM")
            await registry.start()
            await create_crd(registry, widget_crd())
            loop = asyncio.get_running_loop()
            return storage, Store(loop, registry, loop.create_task(registry.run()))

        async def closed() -> None:
            store.controllers.cancel()
            await asyncio.gather(store.controllers, return_exceptions=True)
            await storage.close()

        storage, store = runner.run(opened())
        yield store
        store.check()
        runner.run(closed())


async def answered(request: Awaitable[Any]) -> bool:
    """Do a request; whether it was granted. Anything but an answer that kube-apiserver could give is a failure."""
    refusal: ApiError | None = None
    try:
        await request
    except ApiError as error:
        refusal = error
    assert refusal is None or refusal.code < 500 or _AS_KUBERNETES.search(refusal.message), refusal
    return refusal is None


async def try_everything(store: Store, valid: JsonObject, junky: JsonObject, operations: list[JsonObject]) -> None:
    registry, kind = store.registry, store.find(valid)
    namespace = "default" if kind.namespaced else ""
    store.examples += 1
    if isinstance(junky["metadata"], dict) and junky["metadata"].get("name") == "sample":
        junky = {**junky, "metadata": {**junky["metadata"], "name": f"n{store.examples}"}}
    if await answered(registry.create(kind, namespace, junky, context())):
        await answered(registry.delete(kind, ObjectKey(namespace, _name(junky)), DeleteOptions(), context()))
    owned = [{**METADATA["ownerReferences"][0], "uid": "gone"}] if store.examples % 7 == 0 else None
    base = {**valid, "metadata": {**valid["metadata"], "ownerReferences": owned}}
    if base["kind"] not in {"CustomResourceDefinition", "Widget"}:
        base["metadata"]["name"] = f"b{store.examples}"
    if not await answered(registry.create(kind, namespace, base, context())):
        return
    key = ObjectKey(namespace, _name(base))
    changed = {**junky, "metadata": {**_dict(junky["metadata"]), "name": key.name}}
    merge = {name: value for name, value in changed.items() if name not in {"kind", "apiVersion"}}
    for subresource in ("", *(name for name in kind.subresources if name in {"status", "finalize", "scale"})):
        requests = [(JSON_PATCH, operations), (MERGE, merge)] + ([(STRATEGIC, merge)] if kind.builtin else [])
        for media_type, patch in (*requests, (APPLY, changed)):
            written = context(force=True if media_type == APPLY else None)
            await answered(registry.patch(kind, key, media_type, patch, written, subresource=subresource))
        if subresource != "scale":
            await answered(registry.update(kind, key, changed, context(), subresource=subresource))
    free = {"metadata": {"finalizers": None}}
    await answered(registry.patch(kind, key, MERGE, free, context()))
    options = DeleteOptions(propagation_policy=("Foreground", "Background", "Orphan")[store.examples % 3])
    await answered(registry.delete(kind, key, options, context()))


def _name(obj: JsonObject) -> str:
    name = _dict(obj["metadata"]).get("name")
    return name if isinstance(name, str) else ""


def _dict(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=spoilt())
def test_junk_is_answered_and_what_is_stored_can_be_read(
    store: Store, case: tuple[JsonObject, JsonObject, list[JsonObject]]
) -> None:
    store.loop.run_until_complete(try_everything(store, *case))
    store.check()


async def test_junk_that_is_stored_already_is_worked_around(member: Registry) -> None:
    await create_crd(member, widget_crd())
    await create(member, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "junk"}})
    written = 0
    for sample in SAMPLES:
        kind = member.find_kind(GroupVersion.parse(sample["apiVersion"]).kind(sample["kind"]))
        if kind is None or not kind.namespaced:
            continue
        whole = {**sample, "metadata": {**METADATA, "name": "sample", "namespace": "junk", "uid": "u"}}
        for path in [path for path in paths(whole) if 0 < len(path) < 4 and path not in {("metadata",)}]:
            written += 1
            junky = replaced(whole, path, JUNK[written % len(JUNK)])
            junky["metadata"]["name"] = f"n{written}"
            value = encode_value(junky)
            await member.storage.write(Change(kind.storage_key, ObjectKey("junk", f"n{written}"), 0, value))
    assert written > 300

    def left() -> list[StoredObject]:
        everything = [
            entry for kind in member.stored_resources() for entry in member.storage.list(kind.storage_key, "junk")
        ]
        return [entry for entry in everything if not entry.metadata.deletion_timestamp]

    async with running(member):
        namespaces = definition(member, "v1", "namespaces")
        await member.delete(namespaces, ObjectKey("", "junk"), DeleteOptions(), context())
        await until(lambda: not left())
        await create(member, config_map("after"))
