"""Namespaces: what a new one gets, and who may change its finalizers (`registry/core/namespace`)."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject

KUBERNETES_FINALIZER = "kubernetes"
"""In spec.finalizers: the namespace's content is still to be deleted."""

NAME_LABEL = "kubernetes.io/metadata.name"

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
"""Namespaces that a store has from the start."""

IMMORTAL_NAMESPACES = frozenset({"default", "kube-system", "kube-public"})
"""Namespaces that may not be deleted."""


def prepare_new_namespace(namespace: JsonObject) -> None:
    """Hold the namespace until its content is deleted, and label it with its name."""
    finalizers = (namespace.get("spec") or {}).get("finalizers") or []
    if KUBERNETES_FINALIZER not in finalizers:
        finalizers = [*finalizers, KUBERNETES_FINALIZER]
    namespace["spec"] = {"finalizers": finalizers}
    label_with_name(namespace)


def prepare_changed_namespace(namespace: JsonObject, old: JsonObject) -> None:
    """Keep the finalizers: only the finalize subresource changes them."""
    namespace["spec"] = old.get("spec") or {}
    label_with_name(namespace)


def label_with_name(namespace: JsonObject) -> None:
    """Set the label by which a namespace can be selected by its name."""
    metadata = namespace["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: metadata.get("name", "")}


def finalize(namespace: JsonObject, old: JsonObject) -> JsonObject:
    """Return the stored namespace with the written one's spec.finalizers: all that subresource may change."""
    finalizers = (namespace.get("spec") or {}).get("finalizers")
    return {**old, "spec": {"finalizers": finalizers} if finalizers else {}}


def is_finalized(namespace: JsonObject) -> bool:
    """Whether nothing in the spec holds a namespace that is being deleted any more."""
    return not (namespace.get("spec") or {}).get("finalizers")
