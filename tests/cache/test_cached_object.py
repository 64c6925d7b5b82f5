import json

import pytest

from cache.cached_object import all_metadata, whole
from cache.object_builder import ObjectBuilder
from cache.observed_object import ObservedObject
from cache.resource_kind import PODS
from tests.support.objects import pod

RV = 1_700_000_000_000_000


def encoded(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


def built(obj, *, cluster="m1", name=None, rv=RV, renderer=None):
    observed = ObservedObject(encoded(obj) if isinstance(obj, dict) else obj)
    return ObjectBuilder(PODS, renderer).build(observed, cluster, name or observed.name, rv)


@pytest.mark.parametrize("rv", [RV + 1, 5, 10**17])
def test_another_version_of_the_same_state(rv):
    obj = built(pod())
    other = obj.at_revision(rv)
    assert other.rv == rv
    assert json.loads(other.raw) == {
        **json.loads(obj.raw),
        "metadata": {**json.loads(obj.metadata), "resourceVersion": str(rv)},
    }
    assert json.loads(other.metadata)["resourceVersion"] == str(rv)
    assert json.loads(obj.metadata)["resourceVersion"] == str(RV)


def test_renaming_there_and_back():
    obj = built(pod("web", labels={"a": "b"}))
    renamed = obj.renamed("web.m1", RV + 1)
    assert (renamed.key, renamed.name, renamed.rv, renamed.labels) == ("default/web.m1", "web.m1", RV + 1, obj.labels)
    assert json.loads(renamed.metadata)["annotations"]["fleetgate.io/original-name"] == "web"
    back = renamed.renamed("web", RV)
    assert json.loads(back.raw) == json.loads(obj.raw)
    assert back.key == obj.key


def test_cells_are_rendered_once_from_an_object_as_it_is_served():
    asked = []

    def render(raw):
        asked.append(raw)
        return json.loads(raw)["status"]

    obj = built(pod(), renderer=render)
    assert asked == []
    assert obj.cells == obj.cells == {"phase": "Running"}
    assert asked == [obj.raw]


def test_the_cells_show_the_name_that_an_object_is_served_by():
    obj = built(pod("web"), renderer=lambda raw: json.loads(raw)["metadata"]["name"])
    assert [obj.cells, obj.renamed("web.m1", RV).cells, obj.at_revision(5).cells] == ["web", "web.m1", "web"]


def test_many_objects_are_read_as_each_of_them():
    objects = [built(pod(f"web-{number}"), renderer=lambda raw: json.loads(raw)["metadata"]) for number in range(4)]
    objects[1].compress(objects[0].raw)
    objects[2].compress(objects[0].raw)
    assert whole(objects) == [obj.raw for obj in objects]
    assert all_metadata(objects) == [obj.metadata for obj in objects]


def test_a_renderer_that_fails_costs_only_the_cells(caplog):
    def fail(raw):
        raise KeyError("x")

    assert built(pod(), renderer=fail).cells is None
    assert "cannot render the cells of Pod default/web" in caplog.text
