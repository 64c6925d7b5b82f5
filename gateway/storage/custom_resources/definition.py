"""From a CustomResourceDefinition to the resources it makes the store serve. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.apimachinery.meta import JsonObject, deletion_timestamp, field
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind, version_priority
from gateway.storage.defaulting.reading import objects
from gateway.storage.definitions import (
    METADATA_LABELS,
    OWN_METADATA,
    PrinterColumn,
    ResourceDefinition,
    ScalePaths,
    WriteRules,
    written_apart,
)
from gateway.storage.field_readers import own_labels, path_reader

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_RULES = WriteRules(unconditional_update=False, generation="content", status_keeps=OWN_METADATA)
_CEL = "x-kubernetes-validations"


def is_established(crd: Mapping[str, Any]) -> bool:
    """Whether the definition has the condition that lets its resources be served."""
    conditions = objects(field(crd, "status"), "conditions")
    return any(entry.get("type") == "Established" and entry.get("status") == "True" for entry in conditions)


def served_definitions(crd: JsonObject) -> list[ResourceDefinition]:
    """Return a definition for each served version; none before the names are accepted."""
    if not is_established(crd):
        return []
    versions = [version for version in crd["spec"]["versions"] if version.get("served")]
    labels, paths = _selectable_fields(crd["spec"]["versions"])
    reader = path_reader(paths) if paths else None
    return [_definition(crd, version, labels, reader) for version in versions]


def unserved_definition(crd: JsonObject) -> ResourceDefinition:
    """Return how the objects of a definition that serves nothing are stored: they are there, though nobody can ask."""
    spec = crd["spec"]
    version = next(entry for entry in spec["versions"] if entry.get("storage"))
    complete = {**crd, "status": {"acceptedNames": {"singular": "", "listKind": "", **spec["names"]}}}
    return _definition(complete, version, {version["name"]: set()}, None)


def _selectable_fields(versions: list[JsonObject]) -> tuple[dict[str, set[str]], dict[str, tuple[str, ...]]]:
    """Return the selectable labels of each version, and where any of them stands: versions share their objects."""
    labels: dict[str, set[str]] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for version in versions:
        names = [entry["jsonPath"].removeprefix(".") for entry in version.get("selectableFields") or []]
        labels[version["name"]] = set(names)
        paths |= {name: tuple(name.split(".")) for name in names}
    return labels, paths


def _definition(
    crd: JsonObject, version: JsonObject, labels: Mapping[str, set[str]], reader: Any
) -> ResourceDefinition:
    spec, names = crd["spec"], crd["status"]["acceptedNames"]
    group_version = GroupVersion(spec["group"], version["name"])
    gvk = group_version.kind(names["kind"])
    schema = field(version, "schema", "openAPIV3Schema")
    apart = partial(field, version, "subresources")
    selectable = labels[version["name"]]
    more: dict[str, Any] = {"read_fields": reader} if reader is not None else {}
    return ResourceDefinition(
        group_version.resource(names["plural"]),
        names["kind"],
        names["listKind"],
        spec["scope"] == "Namespaced",
        singular=names["singular"],
        verbs=VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=written_apart(gvk, status=apart("status") is not None, scale=apart("scale") is not None),
        builtin=False,
        rules=_RULES,
        scale=_scale_paths(apart("scale")),
        field_labels=own_labels(*sorted(selectable)) if selectable else METADATA_LABELS,
        schema=schema,
        stored_schema=_stored_schema(spec["versions"], version),
        columns=_columns(version),
        deprecation_warning=_deprecation_warning(spec["versions"], version, gvk),
        unevaluated_rules=has_rules(schema),
        terminating=bool(deletion_timestamp(crd)),
        **more,
    )


def _path(text: str) -> tuple[str, ...]:
    return tuple(text.removeprefix(".").split(".")) if text else ()


def _scale_paths(declared: JsonObject | None) -> ScalePaths | None:
    if declared is None:
        return None
    return ScalePaths(
        _path(declared["specReplicasPath"]),
        _path(declared["statusReplicasPath"]),
        _path(declared.get("labelSelectorPath") or ""),
        selector_is_text=True,
    )


def _columns(version: JsonObject) -> tuple[PrinterColumn, ...]:
    """Return the declared columns; without any kubectl shows the age."""
    declared = version.get("additionalPrinterColumns")
    if not declared:
        return (PrinterColumn("Age", "date", ".metadata.creationTimestamp"),)
    return tuple(
        PrinterColumn(
            entry["name"],
            entry["type"],
            entry["jsonPath"],
            entry.get("format") or "",
            entry.get("description") or "",
            entry.get("priority") or 0,
        )
        for entry in declared
    )


def _stored_schema(versions: list[JsonObject], version: JsonObject) -> JsonObject | None:
    if version.get("storage"):
        return None
    stored = next((other for other in versions if other.get("storage")), version)
    schema: JsonObject | None = field(stored, "schema", "openAPIV3Schema")
    return schema


def _deprecation_warning(versions: list[JsonObject], version: JsonObject, gvk: GroupVersionKind) -> str:
    """What users of a deprecated version are told: its author's words, else which version to use instead."""
    if not version.get("deprecated"):
        return ""
    if declared := version.get("deprecationWarning"):
        return str(declared)
    good = [other["name"] for other in versions if other.get("served") and not other.get("deprecated")]
    better = [name for name in good if version_priority(name) < version_priority(gvk.version)]
    instead = min(better, key=version_priority, default="")
    hint = f"; use {gvk.group}/{instead} {gvk.kind}" if instead else ""
    return f"{gvk.api_version} {gvk.kind} is deprecated{hint}"


def has_rules(node: Any) -> bool:
    """Whether a schema, or a list of versions with schemas, holds CEL rules anywhere."""
    pending = [node]
    while pending:  # no recursion: schemas have ten thousands of nodes, and everybody waits
        found = pending.pop()
        if isinstance(found, dict):
            if found.get(_CEL):
                return True
            pending += [child for child in found.values() if isinstance(child, (dict, list))]
        elif isinstance(found, list):
            pending += [child for child in found if isinstance(child, (dict, list))]
    return False
