from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.registry import Registry
from gateway.storage.stored_size import MAX_STORED_SIZE, encode_bounded
from tests.gateway.storage.builders import (
    APPLY,
    MERGE,
    config_map,
    context,
    create,
    create_crd,
    definition,
    exists,
    read,
    refusal,
    widget,
    widget_crd,
)

TOO_LARGE = (500, "", "etcdserver: request is too large")


def custom(size: int, **metadata: Any) -> JsonObject:
    return {**widget(), "metadata": {"name": "w", **metadata}, "spec": {"free": "x" * size}}


def test_what_etcd_takes_is_stored() -> None:
    assert len(encode_bounded(custom(MAX_STORED_SIZE - 100), applied=False)) > MAX_STORED_SIZE - 100


@pytest.mark.parametrize("applied", [False, True])
def test_what_etcd_does_not_take_is_refused(applied: bool) -> None:
    with pytest.raises(ApiError) as caught:
        encode_bounded(custom(MAX_STORED_SIZE), applied=applied)
    assert refusal(caught) == TOO_LARGE


def test_managed_fields_are_given_up_for_the_object() -> None:
    obj = custom(MAX_STORED_SIZE // 2, managedFields=[{"fieldsV1": {"f:x" * (MAX_STORED_SIZE // 3): {}}}])
    assert b"managedFields" not in encode_bounded(obj, applied=False)
    assert "managedFields" in obj["metadata"]
    with pytest.raises(ApiError) as caught:
        encode_bounded(obj, applied=True)
    assert refusal(caught) == TOO_LARGE


def test_built_in_kinds_are_as_large_as_their_protobuf() -> None:
    escaped = config_map(data={"key": "\n" * (MAX_STORED_SIZE - 1000)})
    assert len(encode_bounded(escaped, applied=False)) > MAX_STORED_SIZE
    with pytest.raises(ApiError) as caught:
        encode_bounded(config_map(data={"key": "\n" * MAX_STORED_SIZE}), applied=False)
    assert refusal(caught) == TOO_LARGE


async def test_every_way_to_write_holds_the_limit(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    widgets, key = definition(registry, "x.io/v1", "widgets"), ObjectKey("default", "w")
    large = {"note": "x" * MAX_STORED_SIZE}
    with pytest.raises(ApiError) as caught:
        await create(registry, widget(free=large))
    assert refusal(caught) == TOO_LARGE
    with pytest.raises(ApiError) as caught:
        await registry.patch(widgets, key, APPLY, widget(free=large), context())
    assert refusal(caught) == TOO_LARGE
    assert not exists(registry, widgets, "w")
    made = await create(registry, widget())
    with pytest.raises(ApiError) as caught:
        await registry.update(widgets, key, {**made, "spec": {"free": large}}, context())
    assert refusal(caught) == TOO_LARGE
    with pytest.raises(ApiError) as caught:
        await registry.patch(widgets, key, MERGE, {"spec": {"free": large}}, context())
    assert refusal(caught) == TOO_LARGE
    assert read(registry, widgets, "w") == made


async def test_a_dry_run_never_comes_to_etcd(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    tried = await create(registry, widget(free={"note": "x" * MAX_STORED_SIZE}), dry_run=True)
    assert len(tried["spec"]["free"]["note"]) == MAX_STORED_SIZE
