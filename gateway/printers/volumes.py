"""The Tables of volumes, the claims to them and their classes. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, as of 1.36.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.cells import AGE, NAME, NAME_COLUMN, UNSET, text, text_of
from gateway.printers.columns import Column
from gateway.printers.object_printer import CellOf, ObjectPrinter
from gateway.printers.row import Cell

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _access_modes(modes: Any) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _phase(obj: JsonObject) -> Cell:
    return "Terminating" if field(obj, "metadata", "deletionTimestamp") else text(obj, "status", "phase")


def _class(obj: JsonObject) -> Cell:
    return meta.annotations(obj).get(_CLASS_ANNOTATION, text(obj, "spec", "storageClassName"))


def _attributes_class() -> tuple[Column, CellOf]:
    column = Column("VolumeAttributesClass", description="The class of attributes asked for.")
    return column, text_of("spec", "volumeAttributesClassName", default=UNSET)


_CLASS_COLUMN = Column("StorageClass", description="The class of storage asked for.")
_VOLUME_MODE = (
    Column("VolumeMode", description="File system or block device.", priority=1),
    text_of("spec", "volumeMode", default=UNSET),
)


def _claim_capacity(obj: JsonObject) -> Cell:
    return str(field(obj, "status", "capacity", "storage") or "0") if text(obj, "spec", "volumeName") else ""


def _claim_modes(obj: JsonObject) -> Cell:
    return _access_modes(field(obj, "status", "accessModes")) if text(obj, "spec", "volumeName") else ""


CLAIMS = ObjectPrinter(
    NAME,
    (Column("Status", description="Whether it is bound."), _phase),
    (Column("Volume", description="The volume it is bound to."), text_of("spec", "volumeName")),
    (Column("Capacity", description="The size of that volume."), _claim_capacity),
    (Column("Access Modes", description="How it may be mounted."), _claim_modes),
    (_CLASS_COLUMN, _class),
    _attributes_class(),
    AGE,
    _VOLUME_MODE,
)


def _claim_of(obj: JsonObject) -> Cell:
    claim = field(obj, "spec", "claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


VOLUMES = ObjectPrinter(
    NAME,
    (
        Column("Capacity", description="Its size."),
        lambda obj: str(field(obj, "spec", "capacity", "storage") or "0"),
    ),
    (
        Column("Access Modes", description="How it may be mounted."),
        lambda obj: _access_modes(field(obj, "spec", "accessModes")),
    ),
    (
        Column("Reclaim Policy", description="What becomes of it once it is released."),
        text_of("spec", "persistentVolumeReclaimPolicy"),
    ),
    (Column("Status", description="Whether it is bound."), _phase),
    (Column("Claim", description="The claim it is bound to."), _claim_of),
    (_CLASS_COLUMN, _class),
    _attributes_class(),
    (Column("Reason", description="Why it is in its status."), text_of("status", "reason")),
    AGE,
    _VOLUME_MODE,
)


def _class_name(obj: JsonObject) -> Cell:
    default = any(meta.annotations(obj).get(annotation) == "true" for annotation in _DEFAULT_CLASS)
    return f"{meta.name(obj)} (default)" if default else meta.name(obj)


STORAGE_CLASSES = ObjectPrinter(
    (NAME_COLUMN, _class_name),
    (Column("Provisioner", description="What makes its volumes."), text_of("provisioner")),
    (
        Column("ReclaimPolicy", description="What becomes of released volumes."),
        text_of("reclaimPolicy", default="Delete"),
    ),
    (
        Column("VolumeBindingMode", description="When volumes are made and bound."),
        text_of("volumeBindingMode", default="Immediate"),
    ),
    (
        Column("AllowVolumeExpansion", description="Whether its volumes can grow."),
        lambda obj: bool(obj.get("allowVolumeExpansion")),
    ),
    AGE,
)
