"""The options of a write as kube-apiserver reads them: query parameters, and the body of a delete. Pure.

Texts follow apimachinery `meta/v1/validation`. Whoever sends dryRun twice in two ways is refused, not interpreted: what
one server takes for a rehearsal another would carry out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.apimachinery.errors import ApiError, bad_request, field_error, invalid
from gateway.apimachinery.json_syntax import json_type, quote
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.patch import APPLY_PATCH
from gateway.request import truthy
from gateway.write_request import DeleteOptions, WriteOptions

DRY_RUN_ALL = "All"
FIELD_MANAGER_LIMIT = 128
META_GROUP = "meta.k8s.io"

_OPTIONS_KIND = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_POLICIES = ("Foreground", "Background", "Orphan")


def parse_write_options(query: Mapping[str, str], verb: str, *, patch_type: str, user_agent: str) -> WriteOptions:
    """Read the options of a create, update or patch. Raises ApiError 422 naming every wrong one."""
    manager = query.get("fieldManager", "")
    force = truthy(query, "force") if "force" in query else None
    faults = [] if verb != "patch" else _patch_faults(patch_type, manager, force)
    faults += _field_manager_faults(manager)
    faults += _dry_run_faults([query["dryRun"]] if "dryRun" in query else [])
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        faults.append(_not_supported("fieldValidation", quote(validation), _VALIDATIONS))
    if faults:
        raise invalid(META_GROUP, _OPTIONS_KIND[verb], "", faults)
    return WriteOptions(
        dry_run="dryRun" in query,
        field_manager=manager or default_field_manager(user_agent),
        field_validation=validation,
        force=force,
    )


def default_field_manager(user_agent: str) -> str:
    """Return what manages fields when the client does not say: its User-Agent up to the first slash."""
    name = user_agent.partition("/")[0]
    if name.isascii() and name.isprintable():  # nearly all
        return name[:FIELD_MANAGER_LIMIT] or "unknown"
    manager = ""
    for character in name:
        if character.isprintable():
            if len((manager + character).encode()) > FIELD_MANAGER_LIMIT:
                break
            manager += character
    return manager or "unknown"


def parse_delete_options(query: Mapping[str, str], body: JsonObject | None) -> tuple[DeleteOptions, bool]:
    """Read the options of a delete, and whether it is a dry run. `body` is None when the request had none.

    A body replaces the query. Raises ApiError 400 for what is not DeleteOptions, 422 for values that are wrong.
    """
    if body is None:
        values: JsonObject = _from_query(query)
    else:
        _check_kind(body)
        values = body
    options = DeleteOptions(
        grace_period_seconds=_typed(values, "gracePeriodSeconds", int),
        propagation_policy=_typed(values, "propagationPolicy", str) or "",
        orphan_dependents=_typed(values, "orphanDependents", bool),
        precondition_uid=_typed(_preconditions(values), "uid", str),
        precondition_resource_version=_typed(_preconditions(values), "resourceVersion", str),
    )
    dry_run = values.get("dryRun") or []
    if not isinstance(dry_run, list):
        raise _wrong_type("dryRun", dry_run, "[]string")
    faults = _delete_faults(values, options) + _dry_run_faults(dry_run)
    if faults:
        raise invalid(META_GROUP, "DeleteOptions", "", faults)
    if body is not None and "dryRun" in query and not dry_run:
        raise bad_request(
            "dryRun is set in the query but not in the DeleteOptions of the body, which replace the query"
        )
    return options, bool(dry_run)


def _patch_faults(patch_type: str, manager: str, force: bool | None) -> list[dict[str, str]]:
    if patch_type == APPLY_PATCH:
        required = field_error("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")
        return [] if manager else [required]
    forbidden = field_error("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch")
    return [forbidden] if force is not None else []


def _field_manager_faults(manager: str) -> list[dict[str, str]]:
    faults = []
    if len(manager.encode()) > FIELD_MANAGER_LIMIT:
        text = f"Too long: may not be more than {FIELD_MANAGER_LIMIT} bytes"
        faults.append(field_error("FieldValueTooLong", "fieldManager", text))
    position = 0
    for character in manager:
        if not character.isprintable():
            text = f"invalid character U+{ord(character):04X} (at position {position})"
            faults.append(field_error("FieldValueInvalid", "fieldManager", f"Invalid value: {quote(manager)}: {text}"))
        position += len(character.encode())
    return faults


def _dry_run_faults(values: Sequence[Any]) -> list[dict[str, str]]:
    if all(value == DRY_RUN_ALL for value in values):
        return []
    shown = ",".join(quote(str(value)) for value in values)
    return [_not_supported("dryRun", f"[{shown}]", (DRY_RUN_ALL,))]


def _delete_faults(values: JsonObject, options: DeleteOptions) -> list[dict[str, str]]:
    faults = []
    policy = quote(options.propagation_policy)
    given = values.get("propagationPolicy") is not None
    if options.orphan_dependents is not None and given:
        text = f"Invalid value: {policy}: orphanDependents and deletionPropagation cannot be both set"
        faults.append(field_error("FieldValueInvalid", "propagationPolicy", text))
    if given and options.propagation_policy not in _POLICIES:
        faults.append(_not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    return faults


def _not_supported(field: str, shown: str, supported: Sequence[str]) -> dict[str, str]:
    listed = ", ".join(quote(value) for value in supported)
    return field_error("FieldValueNotSupported", field, f"Unsupported value: {shown}: supported values: {listed}")


def _from_query(query: Mapping[str, str]) -> JsonObject:
    values: JsonObject = {}
    if grace := query.get("gracePeriodSeconds"):
        try:
            values["gracePeriodSeconds"] = int(grace)
        except ValueError:
            raise bad_request(f"strconv.ParseInt: parsing {quote(grace)}: invalid syntax") from None
    if "orphanDependents" in query:
        values["orphanDependents"] = truthy(query, "orphanDependents")
    if "propagationPolicy" in query:
        values["propagationPolicy"] = query["propagationPolicy"]
    if "dryRun" in query:
        values["dryRun"] = [query["dryRun"]]
    return values


def _check_kind(body: JsonObject) -> None:
    kind = body.get("kind")
    if kind not in {None, "", "DeleteOptions"}:
        raise bad_request(f"decoded object cannot be converted to DeleteOptions: it is a {kind}")


def _preconditions(values: JsonObject) -> JsonObject:
    found = values.get("preconditions")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong_type("preconditions", found, "v1.Preconditions")
    return found


def _typed(values: JsonObject, field: str, kind: type) -> Any:
    value = values.get(field)
    if value is not None and type(value) is not kind:
        raise _wrong_type(field, value, {int: "int64", str: "string", bool: "bool"}[kind])
    return value


def _wrong_type(field: str, value: Any, go_type: str) -> ApiError:
    return bad_request(
        f"json: cannot unmarshal {json_type(value)} into Go struct field DeleteOptions.{field} of type {go_type}"
    )
