import pytest

from gateway.apimachinery.errors import ApiError
from gateway.storage.resources import CUSTOM_RESOURCE_DEFINITIONS
from gateway.storage.validating import validate, warn
from tests.gateway.storage.builders import config_map, context, widget, widget_crd
from tests.gateway.storage.test_definitions import find
from tests.gateway.storage.test_scale import widgets


@pytest.mark.parametrize(("replicas", "problem"), [(-1, "non-negative"), (2**31, "less than or equal to 2147483647")])
def test_scale_paths_hold_possible_counts(replicas: int, problem: str) -> None:
    with pytest.raises(ApiError, match=problem):
        validate(widgets(), {**widget(replicas=replicas), "metadata": {"name": "w", "namespace": "ns"}}, None)


def test_definitions_are_judged() -> None:
    crd = widget_crd()
    crd["metadata"]["name"] = "zz"
    crd["spec"]["names"] |= {"singular": "widget", "listKind": "WidgetList"}
    with pytest.raises(ApiError) as error:
        validate(CUSTOM_RESOURCE_DEFINITIONS, crd, None)
    assert 'metadata.name: Invalid value: "zz": must be spec.names.plural+"."+spec.group' in error.value.message


def test_a_client_is_told_of_rules_that_nobody_evaluates() -> None:
    definition = widgets()
    object.__setattr__(definition, "unevaluated_rules", True)
    warnings: list[str] = []
    warn(definition, widget(), None, context(warnings=warnings))
    assert warnings == ["x-kubernetes-validations: the CEL rules of widgets.x.io are not evaluated by this store"]


def test_the_author_of_a_definition_is_told_of_them_too() -> None:
    warnings: list[str] = []
    crd = widget_crd()
    warn(CUSTOM_RESOURCE_DEFINITIONS, crd, None, context(warnings=warnings))
    assert warnings == []
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [{"rule": "true"}]
    warn(CUSTOM_RESOURCE_DEFINITIONS, crd, None, context(warnings=warnings))
    assert warnings == ["x-kubernetes-validations: the CEL rules of widgets.x.io will not be evaluated by this store"]


def test_a_client_is_told_of_finalizers_that_may_clash() -> None:
    warnings: list[str] = []
    obj = {**widget(), "metadata": {"name": "w", "finalizers": ["bad", "x.io", "x.io/fine", "orphan", "known"]}}
    old = {**widget(), "metadata": {"name": "w", "finalizers": ["known"]}}
    warn(widgets(), obj, old, context(warnings=warnings))
    prefer = "prefer a domain-qualified finalizer name"
    clash = "to avoid accidental conflicts with other finalizer writers"
    assert warnings == [
        f'metadata.finalizers: "bad": {prefer} {clash}',
        f'metadata.finalizers: "x.io": {prefer} including a path (/) {clash}',
    ]
    warn(find("v1", "configmaps"), config_map(finalizers=["bad"]), None, context(warnings=warnings))
    assert len(warnings) == 2, "of custom resources only"


@pytest.mark.parametrize("kind", ["leases coordination.k8s.io/v1", "poddisruptionbudgets policy/v1", "events v1"])
def test_the_finalizers_of_some_kinds_may_be_bare_names(kind: str) -> None:
    resource, version = kind.split()
    obj = {"metadata": {"name": "x", "namespace": "ns", "finalizers": ["bare"]}, "spec": {}}
    obj |= {"involvedObject": {"namespace": "ns"}}
    validate(find(version, resource), obj, None)


def test_the_finalizers_of_definitions_may_be_bare_names() -> None:
    crd = widget_crd()
    crd["metadata"]["finalizers"] = ["foregroundDeletion", "customresourcecleanup.apiextensions.k8s.io"]
    crd["spec"]["names"] |= {"singular": "widget", "listKind": "WidgetList"}
    validate(CUSTOM_RESOURCE_DEFINITIONS, crd, None)
    with pytest.raises(ApiError, match="neither a standard finalizer name"):
        validate(find("v1", "configmaps"), config_map(namespace="ns", finalizers=["bare"]), None)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"replicas": True}, ".spec.replicas accessor error: true is of the type bool, expected int64"),
        ({"replicas": [None]}, ".spec.replicas accessor error: [<nil>] is of the type []interface {}, expected int64"),
        ("", ".spec.replicas accessor error:  is of the type string, expected map[string]interface{}"),
    ],
)
def test_scale_paths_hold_counts(spec: object, problem: str) -> None:
    with pytest.raises(ApiError) as error:
        validate(widgets(), {**widget(), "metadata": {"name": "w", "namespace": "ns"}, "spec": spec}, None)
    assert f".spec.replicas: Invalid value: 0: {problem}" in error.value.message


def test_an_absent_count_is_fine() -> None:
    validate(widgets(), {**widget(), "metadata": {"name": "w", "namespace": "ns"}}, None)
