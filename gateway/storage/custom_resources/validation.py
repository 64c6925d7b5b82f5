"""Whether a CustomResourceDefinition can be served: names, versions, and schemas that are structural (KEP-1111).

Pure. Texts follow k8s.io/apiextensions-apiserver `apis/apiextensions/validation`. Metadata and field types were checked
before, as for every built-in kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.errors import field_error
from gateway.apimachinery.meta import JsonObject, field
from gateway.storage.custom_resources.definition import is_established
from gateway.storage.custom_resources.schema_rules import structural_faults
from gateway.storage.validation.patterns import WORK, PatternWork

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_LIMIT = 63
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_APPROVAL = "api-approved.kubernetes.io"

Cause = dict[str, str]


def invalid_value(path: str, value: str, detail: str) -> Cause:
    """One FieldValueInvalid; `value` is quoted."""
    return field_error("FieldValueInvalid", path, f'Invalid value: "{value}": {detail}')


def required(path: str, detail: str = "") -> Cause:
    """One FieldValueRequired."""
    return field_error("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def definition_faults(crd: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Return what is wrong with a definition; `old` is its stored version when it is updated."""
    return [
        *_name_faults(crd),
        *_spec_faults(crd["spec"]),
        *_stored_version_faults(crd, old),
        *_approval_faults(crd),
        *_immutability_faults(crd, old),
    ]


def _label_faults(path: str, value: str, prefix: str = "") -> Iterator[Cause]:
    if not value:
        yield required(path)
    elif len(value) > _LABEL_LIMIT:
        yield invalid_value(path, value, f"{prefix}must be no more than {_LABEL_LIMIT} bytes")
    elif not _LABEL.fullmatch(value.lower() if prefix else value):
        yield invalid_value(path, value, prefix + _LABEL_TEXT)


def _name_faults(crd: JsonObject) -> Iterator[Cause]:
    if meta.name(crd) != f"{crd['spec']['names'].get('plural', '')}.{crd['spec'].get('group', '')}":
        yield invalid_value("metadata.name", meta.name(crd), 'must be spec.names.plural+"."+spec.group')


def _spec_faults(spec: JsonObject) -> Iterator[Cause]:
    group, names = spec.get("group") or "", spec["names"]
    if not group:
        yield required("spec.group")
    elif "." not in group:
        yield invalid_value("spec.group", group, "should be a domain with at least one dot")
    if not spec.get("scope"):
        yield required("spec.scope")
    elif spec["scope"] not in {"Cluster", "Namespaced"}:
        supported = 'Unsupported value: "{}": supported values: "Cluster", "Namespaced"'
        yield field_error("FieldValueNotSupported", "spec.scope", supported.format(spec["scope"]))
    yield from _version_faults(spec.get("versions") or [])
    for plain in ("plural", "singular"):
        yield from _label_faults(f"spec.names.{plain}", names.get(plain) or "")
    for mixed in ("kind", "listKind"):
        prefix = "may have mixed case, but should otherwise match: "
        yield from _label_faults(f"spec.names.{mixed}", names.get(mixed) or "", prefix)
    for index, short_name in enumerate(names.get("shortNames") or []):
        yield from _label_faults(f"spec.names.shortNames[{index}]", short_name)
    for index, category in enumerate(names.get("categories") or []):
        yield from _label_faults(f"spec.names.categories[{index}]", category)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid_value("spec.names.listKind", names["kind"], "kind and listKind may not be the same")
    strategy = field(spec, "conversion", "strategy") or "None"
    if strategy != "None":
        yield invalid_value("spec.conversion.strategy", strategy, "this store converts by None only")
    if spec.get("preserveUnknownFields"):
        detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
        yield field_error(
            "FieldValueInvalid",
            "spec.preserveUnknownFields",
            f"Invalid value: true: {detail}spec.versions[*].schema instead",
        )


def _version_faults(versions: list[JsonObject]) -> Iterator[Cause]:
    # What all versions have alike is named as if it stood outside of them: so it did before there were versions.
    shared = {
        part
        for part in ("schema", "subresources", "additionalPrinterColumns")
        if all(version.get(part) == versions[0].get(part) for version in versions)
    }
    # Half of what an object may take: whoever judges one by the definition has to compile the patterns and match them.
    work = PatternWork(WORK // 2)
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}]"
        name = version.get("name") or ""
        yield from _label_faults(f"{path}.name", name) if name else [invalid_value(f"{path}.name", "", _LABEL_TEXT)]
        if version.get("deprecationWarning") and not version.get("deprecated"):
            warning = version["deprecationWarning"]
            yield invalid_value(f"{path}.deprecationWarning", warning, "can only be set for deprecated versions")
        if field(version, "schema", "openAPIV3Schema") is None:
            yield required(f"{path}.schema.openAPIV3Schema")
        if "schema" not in shared:
            yield from _schema_faults(version, f"{path}.schema", work)
        if "subresources" not in shared:
            yield from _scale_faults(version, f"{path}.subresources.scale")
        if "additionalPrinterColumns" not in shared:
            yield from _columns_faults(version, path)
    if "schema" in shared and versions:
        yield from _schema_faults(versions[0], "spec.validation", work)
    if "subresources" in shared and versions:
        yield from _scale_faults(versions[0], "spec.subresources.scale")
    if "additionalPrinterColumns" in shared and versions:
        yield from _columns_faults(versions[0], "spec")
    names = [version.get("name") for version in versions]
    if len(set(names)) != len(names):
        yield field_error("FieldValueInvalid", "spec.versions", "Invalid value: must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield field_error("FieldValueInvalid", "spec.versions", f"Invalid value: {detail}")


def _stored_version_faults(crd: JsonObject, old: JsonObject | None) -> Iterator[Cause]:
    """A version that objects may be stored in stays; which those are is what the writers of the status say."""
    if old is None or crd["spec"] == old["spec"]:
        return
    names = {version.get("name") for version in crd["spec"].get("versions") or []}
    for index, version in enumerate(field(crd, "status", "storedVersions") or []):
        if version not in names:
            yield invalid_value(
                f"status.storedVersions[{index}]",
                version,
                f"missing from spec.versions; {version} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {version} and removes "
                f"{version} from status.storedVersions",
            )


def _schema_faults(version: JsonObject, path: str, work: PatternWork) -> Iterator[Cause]:
    schema = field(version, "schema", "openAPIV3Schema")
    if schema is not None:
        yield from structural_faults(schema, f"{path}.openAPIV3Schema", work)


def _scale_faults(version: JsonObject, path: str) -> Iterator[Cause]:
    scale = field(version, "subresources", "scale")
    if scale is None:
        return
    for part, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value = scale.get(part) or ""
        if not value:
            yield required(f"{path}.{part}")
        elif not value.startswith(f"{root}."):
            yield invalid_value(f"{path}.{part}", value, f"should be a json path under {root}")
    selector = scale.get("labelSelectorPath") or ""
    if selector and not selector.startswith((".spec.", ".status.")):
        detail = "should be a json path under either .spec or .status"
        yield invalid_value(f"{path}.labelSelectorPath", selector, detail)


def _columns_faults(version: JsonObject, path: str) -> Iterator[Cause]:
    for number, column in enumerate(version.get("additionalPrinterColumns") or []):
        yield from _column_faults(column, f"{path}.additionalPrinterColumns[{number}]")


def _column_faults(column: JsonObject, path: str) -> Iterator[Cause]:
    if not column.get("name"):
        yield required(f"{path}.name")
    types = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.get("type"):
        yield required(f"{path}.type", types)
    elif column["type"] not in _COLUMN_TYPES:
        yield invalid_value(f"{path}.type", column["type"], types)
    json_path = column.get("jsonPath") or ""
    if not json_path:
        yield required(f"{path}.JSONPath")
    elif not json_path.startswith("."):
        yield invalid_value(f"{path}.JSONPath", json_path, "must be a simple json path starting with .")


def _approval_faults(crd: JsonObject) -> Iterator[Cause]:
    """Groups of the Kubernetes community need its approval (KEP-1111)."""
    group = crd["spec"].get("group") or ""
    protected = group.endswith((".k8s.io", ".kubernetes.io")) or group in {"k8s.io", "kubernetes.io"}
    if not protected:
        return
    value = meta.annotations(crd).get(_APPROVAL, "")
    path = f"metadata.annotations[{_APPROVAL}]"
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not value:
        yield required(path, f'protected groups must have approval annotation "{_APPROVAL}", {see}')
    elif not value.startswith(("https://", "http://", "unapproved")):
        detail = f'protected groups must have approval annotation "{_APPROVAL}" with either a URL or a reason starting '
        yield invalid_value(path, value, f'{detail}with "unapproved", {see}')


def _immutability_faults(crd: JsonObject, old: JsonObject | None) -> Iterator[Cause]:
    if old is None:
        return
    fixed: list[tuple[str, ...]] = [("group",), ("names", "plural")]
    if is_established(old):
        fixed += [("scope",), ("names", "kind")]
    for path in fixed:
        before, now = (field(version, "spec", *path) for version in (old, crd))
        if before != now:
            yield invalid_value(f"spec.{'.'.join(path)}", _text(now), "field is immutable")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
