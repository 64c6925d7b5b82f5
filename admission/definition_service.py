"""Whether the objects of a CustomResourceDefinition can be seen, and whether it may have any. Pure.

A kind that is not served cannot be listed, but its objects are still stored: they are there again, or deleted, as soon
as it is served or its definition goes (apiextensions-apiserver `crdHandler`, `CRDFinalizer`).
"""

from __future__ import annotations

from typing import Any

from admission.custom_definition import served_versions, storage_version
from gateway.apimachinery.meta import JsonObject, field
from gateway.apimachinery.schema import GroupResource

_NAMES = ("plural", "singular", "kind", "listKind")
_NEVER_ESTABLISHED = "NotAccepted"


def resource_of(definition: JsonObject) -> GroupResource:
    """Return the resource that a definition defines."""
    group, plural = field(definition, "spec", "group"), field(definition, "spec", "names", "plural")
    return GroupResource(str(group), str(plural))


def listed_version(definition: JsonObject) -> str:
    """Return the version in which to list the objects: the stored one where it is served; empty when none is."""
    served, stored = served_versions(definition), storage_version(definition)
    return stored if stored in served else next(iter(served), "")


def serves(definition: JsonObject) -> bool:
    """Whether the objects can be listed: established, in some version, under the name they are stored under."""
    accepted = field(definition, "status", "acceptedNames", "plural") == field(definition, "spec", "names", "plural")
    return accepted and _established(definition).get("status") == "True" and bool(served_versions(definition))


def may_have_objects(definition: JsonObject) -> bool:
    """Whether anything can have been stored: not before all names were accepted, which an API server never takes back.

    A definition that waits for a name that another one has never had objects. One that was established stays so.
    """
    condition = _established(definition)
    if condition.get("status") == "True":
        return True
    if not field(definition, "status", "storedVersions") or condition.get("reason") == _NEVER_ESTABLISHED:
        return False
    accepted = field(definition, "status", "acceptedNames")
    return isinstance(accepted, dict) and all(accepted.get(name) for name in _NAMES)


def _established(definition: JsonObject) -> dict[str, Any]:
    conditions = field(definition, "status", "conditions")
    listed = conditions if isinstance(conditions, list) else []
    found = (entry for entry in listed if isinstance(entry, dict) and entry.get("type") == "Established")
    return next(found, {})
