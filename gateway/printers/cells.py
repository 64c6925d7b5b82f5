"""Cells that many kinds share: name, age, numbers, containers, selectors. Pure.

Those with a verb-like name return a function from an object to its cell, for the tables of the printers.
"""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.label_selectors import selector_text
from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.columns import Column
from gateway.printers.object_printer import CellOf
from gateway.printers.row import Cell, Slot, age_cell
from gateway.printers.timestamps import epoch

NONE = "<none>"
UNSET = "<unset>"

NAME_COLUMN = Column("Name", format="name", description="Name must be unique within a namespace.")
AGE_COLUMN = Column("Age", description="When this object was created, as the time that has passed since then.")


def age(obj: JsonObject) -> Cell:
    """Return the object's age."""
    return age_cell(epoch(field(obj, "metadata", "creationTimestamp")))


def created_at(obj: JsonObject) -> Cell:
    """Return when the object was created, as it stands in its metadata."""
    return text(obj, "metadata", "creationTimestamp")


NAME: tuple[Column, CellOf] = (NAME_COLUMN, lambda _obj: Slot.NAME)
AGE: tuple[Column, CellOf] = (AGE_COLUMN, age)


def integer(obj: JsonObject, *path: str) -> int:
    """Return a whole number, 0 when it is absent."""
    value = field(obj, *path)
    return value if isinstance(value, int) else 0


def text(obj: JsonObject, *path: str) -> str:
    """Return a text, empty when it is absent."""
    value = field(obj, *path)
    return value if isinstance(value, str) else ""


def listed(value: Any) -> list[JsonObject]:
    """Return the objects of a list; anything else is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number_of(*path: str) -> CellOf:
    """Show a whole number, 0 when it is absent."""
    return lambda obj: integer(obj, *path)


def text_of(*path: str, default: str = "") -> CellOf:
    """Show a text; `default` only stands for one that is absent."""

    def cell(obj: JsonObject) -> Cell:
        value = field(obj, *path)
        return default if value is None else str(value)

    return cell


def count_of(*paths: tuple[str, ...]) -> CellOf:
    """Show how many entries some maps or lists have together."""
    return lambda obj: sum(len(field(obj, *path) or ()) for path in paths)


def container_columns(*path: str, priority: int = 1) -> tuple[tuple[Column, CellOf], tuple[Column, CellOf]]:
    """Return the columns of a pod template's container names and images; `path` leads to the template."""

    def joined(part: str) -> CellOf:
        return lambda obj: ",".join(
            str(container.get(part, "")) for container in listed(field(obj, *path, "spec", "containers"))
        )

    names = Column("Containers", description="Names of each container in the template.", priority=priority)
    images = Column("Images", description="Images referenced by each container in the template.", priority=priority)
    return (names, joined("name")), (images, joined("image"))


def selector_column(*path: str) -> tuple[Column, CellOf]:
    """Return the column of a LabelSelector, shown with `-o wide`."""
    column = Column("Selector", description="Which pods belong to it.", priority=1)
    return column, lambda obj: selector_text(field(obj, *path)) or NONE


def labels_of(*path: str) -> CellOf:
    """Show labels as `a=b,c=d`, or `<none>`."""

    def cell(obj: JsonObject) -> Cell:
        labels = field(obj, *path) or {}
        return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE

    return cell
