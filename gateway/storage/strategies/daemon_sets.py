"""DaemonSets count the versions of their Pod template in an annotation (`registry/apps/daemonset`)."""

from __future__ import annotations

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def prepare_new_daemon_set(daemon_set: JsonObject) -> None:
    """Begin to count."""
    _set(daemon_set, "1")


def prepare_changed_daemon_set(daemon_set: JsonObject, old: JsonObject) -> None:
    """Count on when the template changes; nobody else may set the count."""
    count = meta.annotations(old).get(TEMPLATE_GENERATION, "1")
    if field(daemon_set, "spec", "template") != field(old, "spec", "template") and count.isdigit():
        count = str(int(count) + 1)
    _set(daemon_set, count)


def _set(daemon_set: JsonObject, count: str) -> None:
    metadata = daemon_set["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), TEMPLATE_GENERATION: count}
