from collections.abc import Callable

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.custom_resources.status import accept_names, complete_names
from gateway.storage.custom_resources.validation import definition_faults
from tests.gateway.storage.builders import widget_crd


def faults(crd: JsonObject, old: JsonObject | None = None) -> list[tuple[str, str]]:
    complete_names(crd)
    return [(fault["field"], fault["message"]) for fault in definition_faults(crd, old)]


def test_a_sound_definition_has_no_fault() -> None:
    assert faults(widget_crd()) == []


def version(crd: JsonObject) -> JsonObject:
    found: JsonObject = crd["spec"]["versions"][0]
    return found


LABEL = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character"


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        (lambda crd: crd["metadata"].update(name="zz"), "metadata.name", 'must be spec.names.plural+"."+spec.group'),
        (lambda crd: crd["spec"].update(group="x"), "spec.group", "should be a domain with at least one dot"),
        (lambda crd: crd["spec"].update(group=""), "spec.group", "Required value"),
        (lambda crd: crd["spec"].update(scope="Planet"), "spec.scope", 'Unsupported value: "Planet"'),
        (lambda crd: crd["spec"]["names"].update(kind="1x"), "spec.names.kind", "may have mixed case, but should"),
        (lambda crd: crd["spec"]["names"].update(singular="W"), "spec.names.singular", LABEL),
        (lambda crd: crd["spec"]["names"].update(shortNames=["a", "B"]), "spec.names.shortNames[1]", LABEL),
        (lambda crd: crd["spec"]["names"].update(plural="x" * 64), "spec.names.plural", "no more than 63 bytes"),
        (
            lambda crd: crd["spec"]["names"].update(listKind="Widget"),
            "spec.names.listKind",
            "kind and listKind may not be the same",
        ),
        (
            lambda crd: crd["spec"].update(conversion={"strategy": "Webhook"}),
            "spec.conversion.strategy",
            "this store converts by None only",
        ),
        (
            lambda crd: crd["spec"].update(preserveUnknownFields=True),
            "spec.preserveUnknownFields",
            "cannot set to true",
        ),
        (lambda crd: version(crd).update(name="V1"), "spec.versions[0].name", LABEL),
        (lambda crd: version(crd).update(name=""), "spec.versions[0].name", LABEL),
        (lambda crd: version(crd).pop("schema"), "spec.versions[0].schema.openAPIV3Schema", "Required value"),
        (lambda crd: version(crd).update(storage=False), "spec.versions", "exactly one version marked as storage"),
        (
            lambda crd: crd["spec"]["versions"].append(version(crd)),
            "spec.versions",
            "must contain unique version names",
        ),
        (
            lambda crd: version(crd)["subresources"]["scale"].update(specReplicasPath=".status.replicas"),
            "spec.subresources.scale.specReplicasPath",
            "should be a json path under .spec",
        ),
        (
            lambda crd: version(crd)["subresources"]["scale"].pop("statusReplicasPath"),
            "spec.subresources.scale.statusReplicasPath",
            "Required value",
        ),
        (
            lambda crd: version(crd)["subresources"]["scale"].update(labelSelectorPath=".metadata.x"),
            "spec.subresources.scale.labelSelectorPath",
            "should be a json path under either .spec or .status",
        ),
        (
            lambda crd: version(crd).update(additionalPrinterColumns=[{"name": "A", "type": "any", "jsonPath": ".a"}]),
            "spec.additionalPrinterColumns[0].type",
            "must be one of boolean,date,integer,number,string",
        ),
        (
            lambda crd: version(crd).update(additionalPrinterColumns=[{"type": "string", "jsonPath": "a"}]),
            "spec.additionalPrinterColumns[0].JSONPath",
            "must be a simple json path starting with .",
        ),
        (lambda crd: crd["spec"].update(scope=""), "spec.scope", "Required value"),
        (lambda crd: crd["spec"]["names"].update(categories=["A"]), "spec.names.categories[0]", LABEL),
        (
            lambda crd: version(crd).update(deprecationWarning="old"),
            "spec.versions[0].deprecationWarning",
            "can only be set for deprecated versions",
        ),
        (
            lambda crd: version(crd).update(schema={"openAPIV3Schema": {"type": "string"}}),
            "spec.validation.openAPIV3Schema.type",
            "must be object at the root",
        ),
        (
            lambda crd: crd["spec"]["versions"].append(
                {"name": "v2", "storage": False, "schema": {"openAPIV3Schema": {"type": "string"}}}
            ),
            "spec.versions[1].schema.openAPIV3Schema.type",
            "must be object at the root",
        ),
    ],
)
def test_what_is_wrong_is_named(change: Callable[[JsonObject], object], field: str, text: str) -> None:
    crd = widget_crd()
    complete_names(crd)
    change(crd)
    found = [message for where, message in faults(crd) if where == field]
    assert found, faults(crd)
    assert any(text in message for message in found)


def test_groups_of_the_community_need_its_approval() -> None:
    crd = widget_crd()
    crd["spec"]["group"] = "gateway.networking.k8s.io"
    crd["metadata"]["name"] = "widgets.gateway.networking.k8s.io"
    assert [field for field, _ in faults(crd)] == ["metadata.annotations[api-approved.kubernetes.io]"]
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "yes"}
    assert 'starting with "unapproved"' in faults(crd)[0][1]
    crd["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/1"}
    assert faults(crd) == []


def test_what_names_the_objects_cannot_change() -> None:
    old = widget_crd()
    complete_names(old)
    changed = widget_crd()
    changed["spec"]["scope"] = "Cluster"
    assert faults(changed, old) == [], "before the definition was established"
    accept_names(old, [], "now")
    assert faults(changed, old) == [("spec.scope", 'Invalid value: "Cluster": field is immutable')]
    assert faults(widget_crd(), old) == []
