"""Rules for label selectors in specs, and whether a selector picks the labels of a template.

After k8s.io/apimachinery `meta/v1/validation`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.apimachinery.label_names import label_key, label_value
from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import Causes, forbidden, invalid_value, invalid_values, required
from gateway.storage.validation.object_meta import validate_labels

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")


def validate_label_selector(path: str, selector: Any) -> Causes:
    """Judge a selector; an absent one is fine."""
    if not isinstance(selector, dict):
        return
    yield from validate_labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, requirement in enumerate(objects(selector, "matchExpressions")):
        yield from _validate_requirement(f"{path}.matchExpressions[{index}]", requirement)


def _validate_requirement(path: str, requirement: JsonObject) -> Causes:
    operator, values = requirement.get("operator"), requirement.get("values") or []
    if operator in _WITH_VALUES:
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in _WITHOUT_VALUES:
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(f"{path}.values", detail)
    else:
        yield invalid_value(f"{path}.operator", operator or "", "not a valid selector operator")
    key = str(requirement.get("key") or "")
    yield from invalid_values(f"{path}.key", key, label_key(key))
    for index, value in enumerate(values):
        yield from invalid_values(f"{path}.values[{index}]", value, label_value(value))


def printable(selector: JsonObject) -> JsonObject:
    """Return a selector as Kubernetes prints it: labels are a map there, whose keys come sorted."""
    labels = selector.get("matchLabels")
    return {**selector, "matchLabels": dict(sorted(labels.items()))} if isinstance(labels, dict) else selector


def is_valid(selector: JsonObject) -> bool:
    """Whether a selector can be used at all."""
    return not any(True for _ in validate_label_selector("", selector))


def selects(selector: JsonObject, labels: Mapping[str, str]) -> bool:
    """Whether a valid selector picks something with these labels; an empty selector picks everything."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_meets(requirement, labels) for requirement in objects(selector, "matchExpressions"))


def _meets(requirement: JsonObject, labels: Mapping[str, str]) -> bool:
    value = labels.get(str(requirement.get("key")))
    values = requirement.get("values") or []
    match requirement.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
