from gateway.apimachinery.meta import JsonObject
from gateway.storage.custom_resources.status import accept_names, complete_names, set_condition
from tests.gateway.storage.builders import widget_crd


def accepted(crd: JsonObject, *others: JsonObject, now: str = "now") -> JsonObject:
    complete_names(crd)
    accept_names(crd, others, now)
    return crd


def conditions(crd: JsonObject) -> dict[str, tuple[str, str]]:
    return {entry["type"]: (entry["status"], entry["reason"]) for entry in crd["status"]["conditions"]}


def test_free_names_are_accepted_and_the_definition_is_established_at_once() -> None:
    crd = accepted(widget_crd())
    assert crd["status"]["acceptedNames"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert conditions(crd) == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert crd["status"]["storedVersions"] == ["v1"]


def test_a_kind_that_another_definition_has_is_not_accepted() -> None:
    first = accepted(widget_crd())
    second = accepted(widget_crd("gadgets", "Widget"), first)
    assert conditions(second) == {
        "NamesAccepted": ("False", "ListKindConflict"),
        "Established": ("False", "NotAccepted"),
    }
    assert second["status"]["conditions"][0]["message"] == '"WidgetList" is already in use'
    assert second["status"]["acceptedNames"]["plural"] == "gadgets"
    assert "kind" not in second["status"]["acceptedNames"]


def test_short_names_are_accepted_all_or_none() -> None:
    first = widget_crd()
    first["spec"]["names"]["shortNames"] = ["wd"]
    second = widget_crd("gadgets", "Gadget")
    second["spec"]["names"]["shortNames"] = ["gd", "wd"]
    accepted(second, accepted(first))
    assert conditions(second)["NamesAccepted"] == ("False", "ShortNamesConflict")
    assert "shortNames" not in second["status"]["acceptedNames"]


def test_other_groups_may_use_the_same_names() -> None:
    other = widget_crd()
    other["spec"]["group"] = "y.io"
    assert conditions(accepted(widget_crd(), accepted(other)))["Established"][0] == "True"


def test_a_definition_stays_established_when_a_new_name_is_refused() -> None:
    first = widget_crd("gadgets", "Gadget")
    first["spec"]["names"]["shortNames"] = ["gd"]
    accepted(first)
    crd = accepted(widget_crd())
    crd["spec"]["names"]["shortNames"] = ["gd"]
    accepted(crd, first)
    assert conditions(crd)["NamesAccepted"][0] == "False"
    assert conditions(crd)["Established"][0] == "True"


def test_every_version_that_was_ever_stored_is_remembered() -> None:
    crd = accepted(widget_crd())
    crd["spec"]["versions"][0]["name"] = "v2"
    accepted(crd)
    assert crd["status"]["storedVersions"] == ["v1", "v2"]


def test_a_transition_is_timed_only_when_the_status_changes() -> None:
    crd: JsonObject = {"status": {}}
    set_condition(crd, {"type": "T", "status": "True", "reason": "A"}, "first")
    set_condition(crd, {"type": "T", "status": "True", "reason": "B"}, "second")
    assert crd["status"]["conditions"] == [
        {"type": "T", "status": "True", "reason": "B", "lastTransitionTime": "first"}
    ]
    set_condition(crd, {"type": "T", "status": "False", "reason": "C"}, "third")
    assert crd["status"]["conditions"][0]["lastTransitionTime"] == "third"
