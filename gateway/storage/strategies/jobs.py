"""The selector of a Job: made by the server from its uid, so that Jobs never fight over Pods (`registry/batch/job`)."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject

_UID_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid")
_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def prepare_new_job(job: JsonObject) -> None:
    """Label the Pod template and select by the Job's uid, unless the selector is the user's own (manualSelector).

    A Job without labels has those of its template.
    """
    spec = job["spec"]
    if spec.get("manualSelector"):
        return
    metadata = job["metadata"]
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    for label in _UID_LABELS:
        labels.setdefault(label, metadata["uid"])
    for label in _NAME_LABELS:
        labels.setdefault(label, metadata.get("name", ""))
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault(_UID_LABELS[0], metadata["uid"])
    if not metadata.get("labels"):
        metadata["labels"] = dict(labels)
