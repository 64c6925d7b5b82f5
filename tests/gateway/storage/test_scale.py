import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.storage.custom_resources.definition import served_definitions
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.scale import scale_of, selector_text, with_replicas
from tests.gateway.storage.builders import widget_crd
from tests.gateway.storage.test_definitions import find

METADATA = {"name": "d", "namespace": "ns", "uid": "u", "resourceVersion": "5", "labels": {"a": "b"}}


def widgets(**scale: str) -> ResourceDefinition:
    crd = widget_crd()
    crd["spec"]["versions"][0]["subresources"]["scale"].update(scale)
    names = {"plural": "widgets", "kind": "Widget", "singular": "widget", "listKind": "WidgetList"}
    crd["status"] = {"acceptedNames": names, "conditions": [{"type": "Established", "status": "True"}]}
    return served_definitions(crd)[0]


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"app": "web"}, "app=web"),
        ({"matchExpressions": [{"key": "k", "operator": "In", "values": ["b", "a"]}]}, "k in (a,b)"),
        ({"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["a"]}]}, "k notin (a)"),
        ({"matchExpressions": [{"key": "k", "operator": "Exists"}, {"key": "l", "operator": "DoesNotExist"}]}, "k,!l"),
        (
            {"matchLabels": {"m": "1"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]},
            "a,m=1",
        ),
        ({"matchExpressions": []}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_selectors_are_written_as_lists_take_them(selector: JsonObject | None, text: str) -> None:
    assert selector_text(selector) == text


def test_the_scale_of_a_deployment() -> None:
    deployment = {
        "metadata": METADATA,
        "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}},
        "status": {"replicas": 2},
    }
    assert scale_of(find("apps/v1", "deployments"), deployment) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "d", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "a=b"},
    }


def test_the_scale_of_a_custom_resource_reads_its_paths() -> None:
    definition = widgets(specReplicasPath=".spec.size.count", labelSelectorPath=".status.selector")
    scale = scale_of(definition, {"metadata": METADATA, "spec": {"size": {"count": 4}}, "status": {"selector": "x=y"}})
    assert (scale["spec"], scale["status"]) == ({"replicas": 4}, {"replicas": 0, "selector": "x=y"})
    with pytest.raises(ApiError, match=r'the spec replicas field ".spec.size.count" does not exist'):
        scale_of(definition, {"metadata": METADATA, "spec": {}})


def test_a_scale_of_nothing_leaves_the_count_out() -> None:
    assert scale_of(find("apps/v1", "deployments"), {"metadata": METADATA, "spec": {"replicas": 0}})["spec"] == {}


def test_replicas_are_put_back_without_touching_the_object() -> None:
    deployment = {"metadata": METADATA, "spec": {"replicas": 3, "paused": True}}
    scale = {"metadata": {"name": "d"}, "spec": {"replicas": 5}}
    changed = with_replicas(find("apps/v1", "deployments"), deployment, scale)
    assert changed["spec"] == {"replicas": 5, "paused": True}
    assert changed["metadata"] == {**METADATA, "resourceVersion": ""}
    assert deployment["spec"] == {"replicas": 3, "paused": True}


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ApiError) as refusal:
        with_replicas(
            find("apps/v1", "deployments"), {"metadata": METADATA}, {"metadata": {}, "spec": {"replicas": -4}}
        )
    assert refusal.value.message == (
        'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -4: must be greater than or equal to 0'
    )
