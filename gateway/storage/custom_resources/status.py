"""Which names a CustomResourceDefinition may use, and the conditions that say so. Pure.

Names are given first come, first served within an API group, as k8s.io/apiextensions-apiserver
`controller/status/naming_controller.go` gives them. Acceptance and establishment happen in the write itself, so a
definition that was created can be waited for and used at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.defaulting.reading import objects

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a deleted definition until its objects are gone."""

_INITIALLY_ACCEPTED = "the initial names have been accepted"
_OWNED = frozenset({"NamesAccepted", "Established"})
_ONE_NAME = {"plural": "PluralConflict", "singular": "SingularConflict"}
_ONE_KIND = {"kind": "KindConflict", "listKind": "ListKindConflict"}


def complete_names(crd: JsonObject) -> None:
    """Fill in the names that follow from the kind, in place."""
    names = crd["spec"]["names"]
    names.setdefault("singular", names["kind"].lower())
    if names["kind"]:
        names.setdefault("listKind", f"{names['kind']}List")


def set_condition(crd: JsonObject, condition: Mapping[str, str], now: str) -> None:
    """Set a condition by its type; the transition time moves only when its status does."""
    conditions = crd["status"]["conditions"] = objects(crd["status"], "conditions")
    for entry in conditions:
        if entry.get("type") == condition["type"]:
            if entry.get("status") != condition["status"]:
                entry["lastTransitionTime"] = now
            entry.update(condition)
            return
    conditions.append({**condition, "lastTransitionTime": now})


def restore_names(crd: JsonObject, old: JsonObject) -> None:
    """Take back what a writer of the status says of names and their acceptance, in place: the server alone knows.

    An API server's controllers would set them again; until then nobody should find the kind unserved.
    """
    status, before = crd["status"], old.get("status") or {}
    owned = [dict(entry) for entry in objects(before, "conditions") if entry.get("type") in _OWNED]
    others = [entry for entry in objects(status, "conditions") if entry.get("type") not in _OWNED]
    status["conditions"] = owned + others
    status["acceptedNames"] = dict(before.get("acceptedNames") or {})


def accept_names(crd: JsonObject, others: Iterable[JsonObject], now: str) -> None:
    """Set accepted names, conditions and stored versions for the definition's spec, in place.

    `others` are all other definitions. A name that one of them uses in the same group is not accepted, and a
    definition whose names were never all accepted is not established.
    """
    status = crd.setdefault("status", {})
    resources, kinds = _names_in_use(crd["spec"]["group"], others)
    requested = crd["spec"]["names"]
    accepted = dict(status.get("acceptedNames") or {})
    reason = message = ""
    for names, in_use in ((_ONE_NAME, resources), (_ONE_KIND, kinds)):
        for name, conflict in names.items():
            if requested[name] != accepted.get(name) and requested[name] in in_use:
                reason, message = conflict, f'"{requested[name]}" is already in use'
            else:
                accepted[name] = requested[name]
    taken = [name for name in requested.get("shortNames") or [] if name in resources]
    if taken:
        reason, message = "ShortNamesConflict", f'"{taken[0]}" is already in use'
    else:
        _copy(requested, accepted, "shortNames")
    _copy(requested, accepted, "categories")
    status["acceptedNames"] = accepted
    _set_conditions(crd, reason, message, now)
    stored = status["storedVersions"] = status.get("storedVersions") or []
    storage = next(version["name"] for version in crd["spec"]["versions"] if version.get("storage"))
    if storage not in stored:
        stored.append(storage)


def _set_conditions(crd: JsonObject, reason: str, message: str, now: str) -> None:
    established = any(
        entry.get("type") == "Established" and entry.get("status") == "True"
        for entry in objects(crd["status"], "conditions")
    )
    if reason:
        set_condition(crd, {"type": "NamesAccepted", "status": "False", "reason": reason, "message": message}, now)
        if not established:
            refused = {"reason": "NotAccepted", "message": "not all names are accepted"}
            set_condition(crd, {"type": "Established", "status": "False", **refused}, now)
        return
    accepted = {"reason": "NoConflicts", "message": "no conflicts found"}
    set_condition(crd, {"type": "NamesAccepted", "status": "True", **accepted}, now)
    initial = {"reason": "InitialNamesAccepted", "message": _INITIALLY_ACCEPTED}
    set_condition(crd, {"type": "Established", "status": "True", **initial}, now)


def _names_in_use(group: str, others: Iterable[JsonObject]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if field(other, "spec", "group") != group:
            continue
        names = field(other, "status", "acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _copy(source: Mapping[str, Any], target: JsonObject, name: str) -> None:
    if source.get(name):
        target[name] = source[name]
    else:
        target.pop(name, None)
