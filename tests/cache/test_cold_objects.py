import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from cache.cold_objects import FEWEST, STEP_OBJECTS, ColdObjects, MemoryLimit
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.ordered_objects import OrderedObjects
from cache.resource_kind import PODS
from tests.support.objects import pod

PADDING = {f"setting-{number}": f"{number * 7919:x}" * 4 for number in range(60)}


def cached(name, renderer=None, rv=100, **sections):
    source = {**pod(name, annotations=PADDING), **sections}
    observed = ObservedObject(json.dumps(source).encode())
    return ObjectBuilder(PODS, renderer).build(observed, "m1", name, rv)


def filled(count):
    objects = OrderedObjects()
    for number in range(count):
        objects.put(cached(f"web-{number:04}"))
    return objects


def everything(objects):
    return objects.between("", "~")


def finish_round(cold):
    steps = 1
    while not cold.step():
        steps += 1
    return steps


def test_a_round_compresses_everything_a_few_at_a_time():
    objects = filled(STEP_OBJECTS * 2 + 1)
    before = [obj.raw for obj in everything(objects)]
    size = objects.size
    cold = ColdObjects(objects)
    assert not cold.step()
    assert sum(obj.is_compressed for obj in everything(objects)) == STEP_OBJECTS
    assert 0 < cold.size < size
    assert finish_round(cold) == 2
    assert all(obj.is_compressed for obj in everything(objects))
    assert cold.size == 0
    assert [obj.raw for obj in everything(objects)] == before
    assert [obj.size for obj in everything(objects)] == [len(raw) for raw in before]


def test_a_round_comes_by_what_is_compressed_many_at_a_time():
    objects = filled(STEP_OBJECTS * 3)
    cold = ColdObjects(objects)
    assert finish_round(cold) == 4
    objects.put(cached("web-0007", rv=200))
    assert finish_round(cold) == 1
    assert cold.size == 0


def test_what_is_alike_takes_little_and_shares_a_pattern():
    objects = filled(200)
    finish_round(ColdObjects(objects))
    found = everything(objects)
    assert sum(len(obj.body.data) for obj in found) < sum(obj.size for obj in found) / 8
    assert len({id(obj.body.like) for obj in found}) <= 200 / FEWEST


def test_what_was_read_is_passed_over_once():
    objects = filled(3)
    used = everything(objects)[1]
    used.in_use = True
    cold = ColdObjects(objects)
    finish_round(cold)
    assert [obj.is_compressed for obj in everything(objects)] == [True, False, True]
    assert cold.size == used.size
    finish_round(cold)
    assert used.is_compressed


def test_a_changed_object_is_not_compressed_until_the_next_round():
    objects = filled(3)
    cold = ColdObjects(objects)
    finish_round(cold)
    changed = cached("web-0001", rv=200)
    objects.put(changed)
    assert cold.size == changed.size
    objects.remove("default/web-0000")
    finish_round(cold)
    assert cold.size == 0
    assert changed.is_compressed
    objects.put(cached("web-0001", rv=300))
    objects.remove("default/web-0001")
    assert cold.size == 0


def test_the_cells_of_what_is_compressed_are_not_kept():
    asked = []
    obj = cached("web", renderer=lambda raw: asked.append(1) or sorted(json.loads(raw)))
    assert obj.cells == obj.cells == ["metadata", "spec", "status"]
    assert len(asked) == 1
    obj.compress(b"")
    assert obj.cells == obj.cells == ["metadata", "spec", "status"]
    assert len(asked) == 3


def test_a_compressed_object_can_end_and_be_renamed():
    obj, same = cached("web"), cached("web")
    obj.compress(same.raw)
    assert obj.at_revision(2_000).raw == same.at_revision(2_000).raw
    assert obj.renamed("web.m1", 7).raw == same.renamed("web.m1", 7).raw
    assert (obj.metadata, obj.lingers) == (same.metadata, same.lingers)


def test_a_large_object_ends_a_step():
    objects = OrderedObjects()
    for name in ("a", "b", "c"):
        objects.put(cached(name, spec={"text": "x" * 600_000}))
    cold = ColdObjects(objects)
    assert [cold.step() for _ in range(4)] == [False, False, False, True]


def test_a_round_that_found_little_is_rested_from():
    objects = filled(100)
    cold = ColdObjects(objects)
    finish_round(cold)
    assert cold.rest == 0
    objects.put(cached("web-0001", rv=200))
    finish_round(cold)
    assert cold.rest > 0


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("putreadendstep")), max_size=60))
def test_the_size_is_that_of_what_is_not_compressed(script):
    objects, cold = OrderedObjects(), None
    cold = ColdObjects(objects)
    shown = {}
    for version, (number, act) in enumerate(script, start=100):
        key = f"default/web-{number}"
        if act in "put":
            objects.put(obj := cached(f"web-{number}", rv=version))
            shown[key] = obj.raw
        elif act in "read" and key in shown:
            next(obj for obj in everything(objects) if obj.key == key).in_use = True
        elif act in "end" and key in shown:
            objects.remove(key)
            del shown[key]
        else:
            cold.step()
        assert cold.size == sum(obj.size for obj in everything(objects) if not obj.is_compressed)
        assert {obj.key: obj.raw for obj in everything(objects)} == shown


async def test_objects_are_compressed_until_few_enough_are_not():
    objects, others = filled(1_000), filled(10)
    cold, other = ColdObjects(objects), ColdObjects(others)
    limit = cold.size // 2
    memory = MemoryLimit(limit)
    memory.add(cold)
    memory.add(other)
    task = asyncio.create_task(memory.keep())  # noqa: TID251  (cancelled below)
    try:
        await asyncio.sleep(0.01)
        assert cold.size > limit
        memory.news()
        while cold.size + other.size > limit:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
    finally:
        task.cancel()
    # No more of them than needed, but for the rest of a step.
    assert limit - 2 * STEP_OBJECTS * everything(objects)[0].size < cold.size + other.size <= limit
