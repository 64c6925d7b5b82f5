"""Rules for the volumes of a Pod and for where containers mount them.

After Kubernetes `pkg/apis/core/v1/validation`; of each source only what people get wrong. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.quantity import quantity_value
from gateway.storage.defaulting.reading import objects
from gateway.storage.validation.causes import (
    Cause,
    Causes,
    duplicate,
    forbidden,
    invalid_value,
    invalid_values,
    not_found,
    required,
    unsupported,
)
from gateway.storage.validation.names import dns_label

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_MAX_MODE = 0o777


def validate_volumes(path: str, spec: JsonObject) -> tuple[list[Cause], set[str]]:
    """Judge the volumes of a Pod; return the causes, and the names of those that are fine and can be mounted."""
    causes: list[Cause] = []
    sound: set[str] = set()
    for index, volume in enumerate(objects(spec, "volumes")):
        at = f"{path}.volumes[{index}]"
        name = str(volume.get("name") or "")
        found = list(_validate_source(at, volume))
        if not name:
            found.append(required(f"{at}.name"))
        elif complaints := dns_label(name):
            found.extend(invalid_values(f"{at}.name", name, complaints))
        elif name in sound:
            found.append(duplicate(f"{at}.name", name))
        if not found:
            sound.add(name)
        causes.extend(found)
    return causes, sound


def _validate_source(path: str, volume: JsonObject) -> Causes:
    first, *others = [field for field in (*_SOURCES, *volume) if field != "name" and field in volume] or [""]
    source = volume.get(first)
    if first in _SOURCES and isinstance(source, dict):
        yield from _SOURCES[first](f"{path}.{first}", source)
    for other in dict.fromkeys(others):
        if other != first:
            yield forbidden(f"{path}.{other}", "may not specify more than 1 volume type")


def _validate_empty_dir(path: str, source: JsonObject) -> Causes:
    limit = quantity_value(source.get("sizeLimit"))
    if limit is not None and limit < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _validate_host_path(path: str, source: JsonObject) -> Causes:
    host_path = str(source.get("path") or "")
    if not host_path:
        yield required(f"{path}.path")
    else:
        yield from _no_way_up(f"{path}.path", host_path)
    if source.get("type") is not None and source["type"] not in _HOST_PATH_TYPES:
        yield unsupported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _validate_secret(path: str, source: JsonObject) -> Causes:
    if not source.get("secretName"):
        yield required(f"{path}.secretName")
    yield from _validate_files(path, source)


def _validate_config_map(path: str, source: JsonObject) -> Causes:
    if not source.get("name"):
        yield required(f"{path}.name")
    yield from _validate_files(path, source)


def _validate_files(path: str, source: JsonObject) -> Causes:
    yield from _validate_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(objects(source, "items")):
        at = f"{path}.items[{index}]"
        if not item.get("key"):
            yield required(f"{at}.key")
        yield from _validate_file_path(f"{at}.path", item.get("path"))
        yield from _validate_mode(f"{at}.mode", item.get("mode"))


def _validate_mode(path: str, mode: Any) -> Causes:
    if isinstance(mode, int) and not 0 <= mode <= _MAX_MODE:
        yield invalid_value(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")


def _validate_file_path(path: str, value: Any) -> Causes:
    if not value:
        yield required(path)
    else:
        yield from relative_path(path, str(value))


def relative_path(path: str, value: str) -> Causes:
    """Refuse a path that leaves the place it is relative to."""
    if value.startswith("/"):
        yield invalid_value(path, value, "must be a relative path")
    yield from _no_way_up(path, value)


def _no_way_up(path: str, value: str) -> Causes:
    if ".." in value.split("/"):
        yield invalid_value(path, value, "must not contain '..'")


def _validate_downward_api(path: str, source: JsonObject) -> Causes:
    yield from _validate_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for item in objects(source, "items"):
        yield from _validate_file_path(f"{path}.path", item.get("path"))
        if not (item.get("fieldRef") or item.get("resourceFieldRef")):
            yield required(path, "one of fieldRef and resourceFieldRef is required")


def _validate_projected(path: str, source: JsonObject) -> Causes:
    yield from _validate_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for index, projection in enumerate(objects(source, "sources")):
        at = f"{path}.sources[{index}]"
        for field in ("secret", "configMap"):
            part = projection.get(field)
            if isinstance(part, dict):
                if not part.get("name"):
                    yield required(f"{at}.{field}.name")
                yield from _validate_files(f"{at}.{field}", part)
        token = projection.get("serviceAccountToken")
        if isinstance(token, dict):
            # Kubernetes names the volume's path here, though it has none.
            yield from _validate_file_path(f"{path}.path", token.get("path"))


def _validate_claim(path: str, source: JsonObject) -> Causes:
    if not source.get("claimName"):
        yield required(f"{path}.claimName")


def _validate_nfs(path: str, source: JsonObject) -> Causes:
    if not source.get("server"):
        yield required(f"{path}.server")
    if not source.get("path"):
        yield required(f"{path}.path")
    if not str(source.get("path") or "").startswith("/"):
        yield invalid_value(f"{path}.path", source.get("path") or "", "must be an absolute path")


# In the order in which Kubernetes looks for the first source of a volume.
_SOURCES: dict[str, Callable[[str, JsonObject], Causes]] = {
    "emptyDir": _validate_empty_dir,
    "hostPath": _validate_host_path,
    "secret": _validate_secret,
    "nfs": _validate_nfs,
    "persistentVolumeClaim": _validate_claim,
    "downwardAPI": _validate_downward_api,
    "configMap": _validate_config_map,
    "projected": _validate_projected,
}


def validate_mounts(path: str, container: JsonObject, volumes: set[str]) -> Causes:
    """Judge where a container mounts volumes, of which these exist."""
    seen: set[str] = set()
    for index, mount in enumerate(objects(container, "volumeMounts")):
        at = f"{path}.volumeMounts[{index}]"
        name, mount_path = str(mount.get("name") or ""), str(mount.get("mountPath") or "")
        if not name:
            yield required(f"{at}.name")
        if not mount_path:
            yield required(f"{at}.mountPath")
        if name not in volumes:
            yield not_found(f"{at}.name", name)
        if mount_path in seen:
            yield invalid_value(f"{at}.mountPath", mount_path, "must be unique")
        seen.add(mount_path)
        # Kubernetes names the list here, not the item.
        if mount.get("subPath"):
            yield from relative_path(f"{path}.volumeMounts.subPath", str(mount["subPath"]))
        if mount.get("subPathExpr"):
            yield from relative_path(f"{path}.volumeMounts.subPathExpr", str(mount["subPathExpr"]))
