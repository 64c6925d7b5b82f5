"""Rules for Jobs and CronJobs.

After Kubernetes `pkg/apis/batch/validation`. Pure. Time zones are not looked up: that would need their database.
"""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject, field, name, uid
from gateway.storage.validation.causes import (
    IMMUTABLE,
    Causes,
    invalid_value,
    not_negative,
    one_of,
    required,
    unchanged,
    unsupported,
)
from gateway.storage.validation.cron import schedule_fault
from gateway.storage.validation.label_selectors import printable, selects, validate_label_selector
from gateway.storage.validation.pods import validate_pod_template

_NUMBERS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "maxFailedIndexes", "backoffLimitPerIndex",
)  # fmt: skip
_COMPLETION_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT_POLICIES = ("Failed", "TerminatingOrFailed")
_RESTART_POLICIES = ("OnFailure", "Never")
_CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
_IMMUTABLE = (
    "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy",
)  # fmt: skip
_CRON_JOB_NAME_LIMIT = 52
_CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")


def validate_job(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a Job."""
    spec = new["spec"]
    yield from _validate_job_selector(new)
    yield from _validate_job_spec("spec", spec)
    if old is None:
        return
    old_spec = old["spec"]
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if not elastic:
        yield from unchanged("spec.completions", spec.get("completions"), old_spec.get("completions"))
    if spec.get("selector") != old_spec.get("selector"):
        yield invalid_value("spec.selector", printable(spec.get("selector") or {}), IMMUTABLE)
    for immutable in _IMMUTABLE:
        yield from unchanged(f"spec.{immutable}", spec.get(immutable), old_spec.get(immutable))


def _validate_job_selector(job: JsonObject) -> Causes:
    """A selector belongs to the registry, unless `manualSelector` says otherwise."""
    selector = field(job, "spec", "selector")
    if not isinstance(selector, dict):
        yield required("spec.selector")
        return
    yield from validate_label_selector("spec.selector", selector)
    generated = {"matchLabels": {_CONTROLLER_UID: uid(job)}}
    if not field(job, "spec", "manualSelector") and selector != generated:
        yield invalid_value("spec.selector", printable(selector), "`selector` not auto-generated")
    labels = field(job, "spec", "template", "metadata", "labels") or {}
    if not selects(selector, labels):
        detail = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", dict(sorted(labels.items())), detail)


def _validate_job_spec(path: str, spec: JsonObject) -> Causes:
    for number in _NUMBERS:
        yield from not_negative(f"{path}.{number}", spec.get(number))
    mode = spec.get("completionMode")
    if mode is not None:
        yield from one_of(f"{path}.completionMode", mode, _COMPLETION_MODES)
        if mode == "Indexed" and spec.get("completions") is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
    if spec.get("backoffLimitPerIndex") is not None and mode != "Indexed":
        detail = "requires indexed completion mode"
        yield invalid_value(f"{path}.backoffLimitPerIndex", spec["backoffLimitPerIndex"], detail)
    if spec.get("podReplacementPolicy") is not None:
        yield from one_of(f"{path}.podReplacementPolicy", spec["podReplacementPolicy"], _REPLACEMENT_POLICIES)
    yield from validate_pod_template(f"{path}.template", spec.get("template"))
    policy, policy_path = field(spec, "template", "spec", "restartPolicy"), f"{path}.template.spec.restartPolicy"
    if policy in {None, "Always"}:
        yield required(policy_path, 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTART_POLICIES:
        yield unsupported(policy_path, policy, _RESTART_POLICIES)


def validate_cron_job(new: JsonObject, old: JsonObject | None) -> Causes:
    """Judge a CronJob."""
    spec = new["spec"]
    if old is None and len(name(new)) > _CRON_JOB_NAME_LIMIT:
        # Jobs made by it are called after it, with eleven characters more.
        yield invalid_value("metadata.name", name(new), f"must be no more than {_CRON_JOB_NAME_LIMIT} characters")
    schedule = str(spec.get("schedule") or "")
    if not schedule:
        yield required("spec.schedule")
    elif "TZ=" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid_value("spec.schedule", schedule, detail)
    elif fault := schedule_fault(schedule):
        yield invalid_value("spec.schedule", schedule, fault)
    if spec.get("timeZone") == "":
        yield invalid_value("spec.timeZone", "", "timeZone must be nil or non-empty string")
    yield from not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    yield from one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY_POLICIES)
    job_path, job_spec = "spec.jobTemplate.spec", field(spec, "jobTemplate", "spec") or {}
    if job_spec.get("manualSelector"):
        yield unsupported(f"{job_path}.manualSelector", True, ("nil", "false"))
    if job_spec.get("selector") is not None:
        yield invalid_value(f"{job_path}.selector", job_spec["selector"], "`selector` will be auto-generated")
    yield from _validate_job_spec(job_path, job_spec)
    for number in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from not_negative(f"spec.{number}", spec.get(number))
