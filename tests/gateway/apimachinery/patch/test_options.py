"""What a patch is told besides the object."""

from __future__ import annotations

from gateway.apimachinery.patch.options import PatchOptions
from gateway.apimachinery.patch.typed_schema import custom_type
from gateway.apimachinery.schema import GroupVersionKind


def test_a_patch_is_of_the_object_itself_and_takes_nothing_by_force_unless_told() -> None:
    options = PatchOptions(custom_type(GroupVersionKind("e", "v1", "T"), None), "me", "2026-01-01T00:00:00Z")
    assert (options.subresource, options.force) == ("", False)
