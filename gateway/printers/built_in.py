"""The Tables of built-in kinds that an embedded store serves beside Pods and Events. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.apimachinery.schema import GroupResource
from gateway.printers.object_printer import ObjectPrinter

BUILT_IN: Mapping[GroupResource, ObjectPrinter] = {}
