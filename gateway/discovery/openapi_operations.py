"""The operations of an OpenAPI v3 document: which method on which path takes and returns which schema. Pure.

What clients read here: kubectl looks for a `patch` operation with the kind it is about to write and a `fieldValidation`
parameter beside it, `kubectl explain` finds the kind of a resource by its path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersion, GroupVersionKind
from gateway.discovery.surface import ApiResource
from gateway.request import CONNECT_SUBRESOURCES

Reference = Callable[[GroupVersionKind], JsonObject | None]
"""Returns a node that refers to the schema of a kind, None for a kind without one."""

_METHODS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}
_ACTIONS = {"create": "post", "update": "put"}
_WORDS = {"get": "read", "update": "replace"}

_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_SELECT = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch")
_WATCH = ("allowWatchBookmarks", "sendInitialEvents", "timeoutSeconds", "watch")
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_QUERY = {
    "create": _WRITE,
    "update": _WRITE,
    "patch": (*_WRITE, "force"),
    "delete": _DELETE,
    "deletecollection": (*_DELETE, *_SELECT),
    "list": (*_SELECT, *_WATCH),
}
_INTEGERS = frozenset({"gracePeriodSeconds", "limit", "timeoutSeconds"})
_BOOLEANS = frozenset({"allowWatchBookmarks", "force", "orphanDependents", "sendInitialEvents", "watch"})

_PATCH_TYPES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"
_CUSTOM_TYPES = ("application/json", "application/yaml")
_BUILTIN_TYPES = (*_CUSTOM_TYPES, "application/vnd.kubernetes.protobuf")

DELETE_OPTIONS = GroupVersionKind("", "v1", "DeleteOptions")
STATUS = GroupVersionKind("", "v1", "Status")
_STRING: JsonObject = {"type": "string"}


@dataclass(frozen=True, slots=True)
class _Target:
    """What operations of one path are about."""

    resource: ApiResource
    gvk: GroupVersionKind
    suffix: str
    """The end of operation ids, which must differ: `NamespacedDeploymentStatus`."""
    connects: bool = False
    plain_text: bool = False


def resource_paths(group_version: GroupVersion, resource: ApiResource, refer: Reference) -> dict[str, JsonObject]:
    """Return the path items of a resource and its subresources.

    Args:
        group_version: where the resource is served.
        resource: the resource.
        refer: finds the schemas of bodies.
    """
    scope, word = ("/namespaces/{namespace}", "Namespaced") if resource.namespaced else ("", "")
    collection = f"{group_version.path}{scope}/{resource.gvr.resource}"
    item = f"{collection}/{{name}}"
    target = _Target(resource, resource.gvk, f"{word}{resource.kind}")
    paths = {
        collection: _path_item(target, ("list", "create", "deletecollection"), resource.verbs, refer),
        item: _path_item(target, ("get", "update", "patch", "delete"), resource.verbs, refer),
    }
    if resource.namespaced and "list" in resource.verbs:
        everywhere = _Target(resource, resource.gvk, f"{resource.kind}ForAllNamespaces")
        paths[f"{group_version.path}/{resource.gvr.resource}"] = _path_item(everywhere, ("list",), ("list",), refer)
    for sub in resource.subresources:
        connects = sub.name in CONNECT_SUBRESOURCES
        suffix = f"{target.suffix}{sub.name.capitalize()}"
        about = _Target(resource, sub.gvk, suffix, connects, plain_text=connects or sub.name == "log")
        paths[f"{item}/{sub.name}"] = _path_item(about, tuple(_METHODS), sub.verbs, refer)
    return {path: {**_path_parameters(path), **operations} for path, operations in paths.items() if operations}


def operation_prefix(group_version: GroupVersion) -> str:
    """Return the part of operation ids that names the group and version: `AppsV1`, `CoreV1`, `AppsKruiseIoV1alpha1`."""
    group = group_version.group.removesuffix(".k8s.io") or "core"
    return "".join(word.capitalize() for part in (group, group_version.version) for word in part.split("."))


def _path_item(target: _Target, verbs: tuple[str, ...], served: tuple[str, ...], refer: Reference) -> JsonObject:
    operations = {}
    for verb in verbs:
        if verb in served:
            method = {"list": "get", "deletecollection": "delete"}.get(verb) or _METHODS[verb]
            operations[method] = _operation(target, verb, refer)
    return operations


def _operation(target: _Target, verb: str, refer: Reference) -> JsonObject:
    operation: JsonObject = {
        "operationId": _operation_id(target, verb),
        "responses": _responses(target, verb, refer),
        "x-kubernetes-action": "connect" if target.connects else _ACTIONS.get(verb, verb),
        "x-kubernetes-group-version-kind": {
            "group": target.gvk.group,
            "version": target.gvk.version,
            "kind": target.gvk.kind,
        },
    }
    if not target.connects:
        operation["parameters"] = [_query_parameter(name) for name in _QUERY.get(verb, ())]
        if body := _request_body(target, verb, refer):
            operation["requestBody"] = body
    return operation


def _operation_id(target: _Target, verb: str) -> str:
    """Name an operation as Kubernetes does: unique, and stable for the clients that are generated from it."""
    prefix = operation_prefix(target.resource.gvr.group_version)
    if target.connects:
        return f"connect{prefix}{_METHODS[verb].capitalize()}{target.suffix}"
    if verb == "deletecollection":
        return f"delete{prefix}Collection{target.suffix}"
    return f"{_WORDS.get(verb, verb)}{prefix}{target.suffix}"


def _request_body(target: _Target, verb: str, refer: Reference) -> JsonObject | None:
    match verb:
        case "create" | "update":
            return {"required": True, "content": {"*/*": {"schema": refer(target.gvk) or {}}}}
        case "patch":
            types = _PATCH_TYPES if target.resource.custom else (*_PATCH_TYPES, _STRATEGIC)
            return {"required": True, "content": {media_type: {"schema": {"type": "object"}} for media_type in types}}
        case "delete" | "deletecollection":
            return {"content": {"*/*": {"schema": refer(DELETE_OPTIONS) or {}}}}
        case _:
            return None


def _responses(target: _Target, verb: str, refer: Reference) -> JsonObject:
    code, schema = "200", refer(target.gvk)
    match verb:
        case "create":
            code = "201"
        case "list":
            listed = GroupVersionKind(target.gvk.group, target.gvk.version, f"{target.gvk.kind}List")
            schema = refer(listed)
        case "delete" | "deletecollection":
            schema = refer(STATUS)
        case _:
            pass
    if target.plain_text:
        return {"200": {"description": "OK", "content": {"*/*": {"schema": _STRING}}}}
    types = _CUSTOM_TYPES if target.resource.custom else _BUILTIN_TYPES
    content = {media_type: {"schema": schema or {}} for media_type in types}
    description = "Created" if code == "201" else "OK"
    return {code: {"description": description, "content": content}, "401": {"description": "Unauthorized"}}


def _path_parameters(path: str) -> JsonObject:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _STRING}
        for name in ("name", "namespace")
        if f"{{{name}}}" in path
    ]
    return {"parameters": parameters} if parameters else {}


def _query_parameter(name: str) -> JsonObject:
    kind = "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"
    return {"name": name, "in": "query", "schema": {"type": kind}}
