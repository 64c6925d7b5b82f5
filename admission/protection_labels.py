"""The labels that protect an object from deletion, and what each value of them means. Pure.

Keys and values are those of Karmada and OpenKruise, so objects protected there are protected here, and one of our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.apimachinery.meta import JsonObject, labels

KARMADA_LABEL = "resourcetemplate.karmada.io/deletion-protected"
KRUISE_LABEL = "policy.kruise.io/delete-protection"
FLEETGATE_LABEL = "fleetgate.io/delete-protection"

ALWAYS = "Always"
"""The object is not deleted."""

CASCADING = "Cascading"
"""The object is not deleted while that would take something running along."""

KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    KARMADA_LABEL: (ALWAYS,),
    KRUISE_LABEL: (ALWAYS, CASCADING),
    FLEETGATE_LABEL: (ALWAYS,),
}


@dataclass(frozen=True, slots=True)
class Protection:
    """One label that protects."""

    label: str
    value: str

    @property
    def cascading(self) -> bool:
        """Whether it protects only while something running depends on the object."""
        return self.value == CASCADING

    @property
    def lifting(self) -> str:
        """What to do against it, in Karmada's words, which its users and their scripts know."""
        return f"This resource is protected, please make sure to remove the label: {self.label}"


def protections(obj: JsonObject) -> list[Protection]:
    """Return the labels that protect the object, those that always do first."""
    found = labels(obj)
    protecting = [Protection(key, found[key]) for key, values in KNOWN_VALUES.items() if found.get(key) in values]
    return sorted(protecting, key=lambda protection: protection.cascading)


def unknown_value_warnings(found: Mapping[str, Any]) -> Sequence[str]:
    """Return a warning for each protecting label whose value protects nothing: a misspelling is else found too late."""
    return tuple(
        f"label {key}={found[key]} does not protect against deletion: known values are {', '.join(values)}"
        for key, values in KNOWN_VALUES.items()
        if isinstance(found.get(key), str) and found[key] not in values
    )
