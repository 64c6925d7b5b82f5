"""JSON patch (RFC 6902) with the habits of the implementation inside kube-apiserver (evanphx/json-patch v4).

Those habits are visible to clients: `replace` of a missing member adds it, negative list indices count from the end,
`test` takes absent and null for the same. Pure; patch.py chooses it by media type.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.go_text import json_type
from gateway.apimachinery.patch.json_value import deep_copy, same

MAX_OPERATIONS = 10_000
"""Most operations one patch may have (k8s.io/apiserver `endpoints/handlers/patch.go`)."""

MAX_COPIED_BYTES = 3 * 1024 * 1024
"""Most bytes all `copy` operations of one patch may add (kube-apiserver's JSONPatchMaxCopyBytes)."""

_INDEX = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class _DoesNotApply(Exception):
    """An operation that the document does not allow; kube-apiserver never tells a client which."""


def apply_json_patch(document: JsonObject, patch: Any) -> Any:
    """Return the patched document; neither argument changes. A `replace` of the root may make it a list.

    Raises ApiError: 400 for a patch that is not a list of operations, 413 for too many of them, 422 for one that does
    not apply, a failed `test`, or `copy` operations that grow the document too much.
    """
    operations = _operations(patch)
    if len(operations) > MAX_OPERATIONS:
        detail = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {detail}")
    target = _Document(deep_copy(document))
    try:
        for operation in operations:
            target.apply(operation)
    except (_DoesNotApply, RecursionError):
        raise ApiError(
            422, "Invalid", "the server rejected our request due to an error in our request", details={}
        ) from None
    return target.root


def _operations(patch: Any) -> list[JsonObject]:
    if patch is None:
        return []
    if not isinstance(patch, list):
        raise _undecodable(f"{json_type(patch)} into Go value of type []handlers.jsonPatchOp")
    operations = []
    for entry in patch:
        if not isinstance(entry, dict | None):
            raise _undecodable(f"{json_type(entry)} into Go value of type handlers.jsonPatchOp")
        operation = entry or {}
        for field in ("op", "path", "from"):
            value = operation.get(field)
            if not isinstance(value, str | None):
                raise _undecodable(f"{json_type(value)} into Go struct field jsonPatchOp.{field} of type string")
        operations.append(operation)
    return operations


def _undecodable(what: str) -> ApiError:
    return bad_request(f"error decoding patch: json: cannot unmarshal {what}")


class _Document:
    """The document while operations change it in place."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._copied_bytes = 0

    def apply(self, operation: JsonObject) -> None:
        value = operation.get("value")
        match operation.get("op"):
            case "add":
                _add(*self._parent(operation, "path"), deep_copy(value))
            case "remove":
                _remove(*self._parent(operation, "path"))
            case "replace":
                self._replace(operation, deep_copy(value))
            case "move":
                parent, key = self._parent(operation, "from")
                moved = _get(parent, key)
                _remove(parent, key)
                _add(*self._parent(operation, "path"), moved)
            case "copy":
                copied = self._copy_of(_get(*self._parent(operation, "from")))
                _add(*self._parent(operation, "path"), copied)
            case "test":
                found = self.root if operation.get("path") == "" else _get(*self._parent(operation, "path"))
                if not same(found, value):
                    raise _DoesNotApply
            case _:
                raise _DoesNotApply

    def _parent(self, operation: JsonObject, field: str) -> tuple[Any, str]:
        """Walk to the container that a pointer's last step is in. What stands before the first slash is ignored."""
        pointer = operation.get(field)
        _, *steps = (pointer or "").split("/")
        if not steps:
            raise _DoesNotApply
        container = self.root
        for step in steps[:-1]:
            container = _get(container, _unescape(step))
        if not isinstance(container, dict | list):
            raise _DoesNotApply
        return container, _unescape(steps[-1])

    def _replace(self, operation: JsonObject, value: Any) -> None:
        if operation.get("path") == "":
            if not isinstance(value, dict | list):
                raise _DoesNotApply
            self.root = value
            return
        parent, key = self._parent(operation, "path")
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent[_index(key, len(parent))] = value

    def _copy_of(self, value: Any) -> Any:
        self._copied_bytes += len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
        if self._copied_bytes > MAX_COPIED_BYTES:
            raise _DoesNotApply
        return deep_copy(value)


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _index(key: str, length: int) -> int:
    """Read a list index; a negative one counts from the end."""
    if not _INDEX.fullmatch(key):
        raise _DoesNotApply
    index = int(key)
    if not -length <= index < length:
        raise _DoesNotApply
    return index % length


def _get(container: Any, key: str) -> Any:
    """Return a member or item; a missing member is None, as a null one."""
    if isinstance(container, dict):
        return container.get(key)
    if isinstance(container, list):
        return container[_index(key, len(container))]
    raise _DoesNotApply


def _add(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(key, len(container) + 1), value)


def _remove(container: Any, key: str) -> None:
    if isinstance(container, dict):
        if key not in container:
            raise _DoesNotApply
        del container[key]
    else:
        del container[_index(key, len(container))]
