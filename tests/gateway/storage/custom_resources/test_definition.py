import pytest

from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.custom_resources.definition import is_established, served_definitions
from gateway.storage.custom_resources.status import accept_names, complete_names
from gateway.storage.definitions import PrinterColumn, ScalePaths
from gateway.storage.interface import StoredObject, encode_value
from tests.gateway.storage.builders import widget_crd


def established(crd: JsonObject) -> JsonObject:
    complete_names(crd)
    accept_names(crd, [], "now")
    return crd


def test_nothing_is_served_before_the_names_are_accepted() -> None:
    assert served_definitions(widget_crd()) == []
    assert not is_established(widget_crd())
    assert is_established(established(widget_crd()))


def test_a_definition_says_how_its_resource_is_served() -> None:
    crd = widget_crd()
    crd["spec"]["names"] |= {"shortNames": ["wd"], "categories": ["all"]}
    (definition,) = served_definitions(established(crd))
    assert (definition.kind, definition.list_kind, definition.singular) == ("Widget", "WidgetList", "widget")
    assert (definition.short_names, definition.categories) == (("wd",), ("all",))
    assert definition.namespaced
    assert not definition.builtin
    assert set(definition.subresources) == {"status", "scale"}
    assert definition.scale == ScalePaths(label_selector=(), selector_is_text=True)
    assert definition.columns == (PrinterColumn("Age", "date", ".metadata.creationTimestamp"),)
    assert definition.schema == crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert not definition.unevaluated_rules


def test_only_served_versions_are_served_and_share_their_objects() -> None:
    crd = widget_crd()
    versions = crd["spec"]["versions"]
    old = {**versions[0], "name": "v1beta1", "storage": False, "subresources": {}, "deprecated": True}
    versions += [old, {**old, "name": "v1alpha1", "served": False}]
    definitions = served_definitions(established(crd))
    assert [definition.gvr.version for definition in definitions] == ["v1", "v1beta1"]
    assert len({definition.storage_key for definition in definitions}) == 1
    assert definitions[1].deprecation_warning == "x.io/v1beta1 Widget is deprecated; use x.io/v1 Widget"
    assert definitions[1].subresources == {}
    stored = StoredObject.from_value(ObjectKey("ns", "w"), 1, encode_value({"metadata": {"name": "w"}}), 0)
    assert [kind.object(stored)["apiVersion"] for kind in definitions] == ["x.io/v1", "x.io/v1beta1"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"deprecationWarning": "go away"}, "go away"),
        ({"name": "v2"}, "x.io/v2 Widget is deprecated"),
    ],
)
def test_what_users_of_a_deprecated_version_are_told(changes: JsonObject, text: str) -> None:
    crd = widget_crd()
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "storage": False, "name": "v1beta1",
                                    "deprecated": True, **changes})  # fmt: skip
    told = [definition.deprecation_warning for definition in served_definitions(established(crd))]
    assert sorted(told) == ["", text]


def test_columns_and_selectable_fields() -> None:
    columns = [{"name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1, "description": "what"}]
    crd = widget_crd(additionalPrinterColumns=columns, selectableFields=[{"jsonPath": ".spec.color"}])
    (definition,) = served_definitions(established(crd))
    assert definition.columns == (PrinterColumn("Color", "string", ".spec.color", description="what", priority=1),)
    assert "spec.color" in definition.field_labels
    value = encode_value({"metadata": {"name": "w"}, "spec": {"color": "red"}})
    stored = StoredObject.from_value(ObjectKey("ns", "w"), 1, value, 0)
    assert definition.fields(stored) == {
        "metadata.name": "w",
        "metadata.namespace": "ns",
        "spec.color": "red",
    }


def test_rules_that_cannot_be_evaluated_are_noticed_wherever_they_stand() -> None:
    crd = widget_crd()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["replicas"]["x-kubernetes-validations"] = [{"rule": "self > 0"}]
    (definition,) = served_definitions(established(crd))
    assert definition.unevaluated_rules
