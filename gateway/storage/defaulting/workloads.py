"""Defaults of the kinds that run Pods. Pure; after Kubernetes `pkg/apis/apps/v1` and `batch/v1` `defaults.go`."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.pods import default_pod_template
from gateway.storage.defaulting.reading import default, objects, part

_ROLLING_UPDATE = "RollingUpdate"
_MAX_INT32 = 2**31 - 1


def default_deployment(deployment: JsonObject) -> None:
    """Fill in a Deployment."""
    spec = deployment["spec"]
    default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = part(spec, "strategy")
    default(strategy, type=_ROLLING_UPDATE)
    if strategy["type"] == _ROLLING_UPDATE:
        default(part(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")
    default_pod_template(spec.get("template"))


def default_daemon_set(daemon_set: JsonObject) -> None:
    """Fill in a DaemonSet."""
    spec = daemon_set["spec"]
    default(spec, revisionHistoryLimit=10)
    strategy = part(spec, "updateStrategy")
    default(strategy, type=_ROLLING_UPDATE)
    if strategy["type"] == _ROLLING_UPDATE:
        default(part(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)
    default_pod_template(spec.get("template"))


def default_stateful_set(stateful_set: JsonObject) -> None:
    """Fill in a StatefulSet and the claims it makes."""
    spec = stateful_set["spec"]
    default(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = part(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = _ROLLING_UPDATE
        part(strategy, "rollingUpdate")
    if strategy["type"] == _ROLLING_UPDATE and isinstance(strategy.get("rollingUpdate"), dict):
        default(strategy["rollingUpdate"], partition=0)
    default(part(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")
    for claim in objects(spec, "volumeClaimTemplates"):
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        default(part(claim, "spec"), volumeMode="Filesystem")
        default(part(claim, "status"), phase="Pending")
    default_pod_template(spec.get("template"))


def default_replica_set(replica_set: JsonObject) -> None:
    """Fill in a ReplicaSet."""
    spec = replica_set["spec"]
    default(spec, replicas=1)
    default_pod_template(spec.get("template"))


def default_replication_controller(controller: JsonObject) -> None:
    """Fill in a ReplicationController, whose selector and labels come from its template."""
    spec = controller["spec"]
    default(spec, replicas=1)
    template = spec.get("template")
    if isinstance(template, dict):
        labels = part(template, "metadata").get("labels")
        if labels:
            spec["selector"] = spec.get("selector") or dict(labels)
            controller["metadata"]["labels"] = controller["metadata"].get("labels") or dict(labels)
    default_pod_template(template)


def default_job(job: JsonObject) -> None:
    """Fill in a Job."""
    default_job_spec(job["spec"])
    labels = part(part(job["spec"], "template"), "metadata").get("labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = dict(labels)


def default_job_spec(spec: JsonObject) -> None:
    """Fill in what a Job is to do, without what only a Job itself takes."""
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    default(
        spec,
        parallelism=1,
        backoffLimit=6 if spec.get("backoffLimitPerIndex") is None else _MAX_INT32,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed",
        manualSelector=False,
    )
    for rule in objects(spec.get("podFailurePolicy"), "rules"):
        for pattern in objects(rule, "onPodConditions"):
            default(pattern, status="True")
    default_pod_template(spec.get("template"))


def default_cron_job(cron_job: JsonObject) -> None:
    """Fill in a CronJob; of the Jobs it makes only the Pod template, the rest when they are made."""
    spec = cron_job["spec"]
    default(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1)
    job_spec = part(part(spec, "jobTemplate"), "spec")
    default_pod_template(job_spec.get("template"))
