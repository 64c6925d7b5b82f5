"""What a patch needs to know besides the object and the patch itself. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.apimachinery.patch.typed_schema import TypeSchema


@dataclass(frozen=True, slots=True)
class PatchOptions:
    """How an object is changed, and by whom.

    `field_manager` is resolved already (`?fieldManager=`, else the User-Agent up to its slash). `now` is RFC 3339 in
    seconds. `subresource` is empty for the object itself. `force` takes fields from other managers (apply only).
    """

    schema: TypeSchema
    field_manager: str
    now: str
    subresource: str = ""
    force: bool = False
