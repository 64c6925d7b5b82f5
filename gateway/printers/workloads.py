"""The Tables of workloads: Deployments and their kin, Jobs, disruption budgets. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`, as of 1.36.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.apimachinery.duration import human_duration
from gateway.apimachinery.meta import JsonObject, field, owner_references
from gateway.apimachinery.schema import GroupVersion
from gateway.printers.cells import (
    AGE,
    NAME,
    NONE,
    container_columns,
    integer,
    labels_of,
    listed,
    number_of,
    selector_column,
    text_of,
)
from gateway.printers.columns import Column
from gateway.printers.object_printer import CellOf, ObjectPrinter
from gateway.printers.row import Cell, age_cell
from gateway.printers.timestamps import epoch

_TEMPLATE = container_columns("spec", "template")
_SELECTOR = selector_column("spec", "selector")
_READY = Column("Ready", description="How many of the wanted replicas are ready.")


def _number(name: str, description: str, *path: str, kind: str = "integer") -> tuple[Column, CellOf]:
    return Column(name, kind, description=description), number_of(*path)


def _ready_of_wanted(obj: JsonObject) -> Cell:
    return f"{integer(obj, 'status', 'readyReplicas')}/{integer(obj, 'spec', 'replicas')}"


DEPLOYMENTS = ObjectPrinter(
    NAME,
    (_READY, _ready_of_wanted),
    _number("Up-to-date", "How many replicas run the wanted template.", "status", "updatedReplicas", kind="string"),
    _number("Available", "How many replicas are ready long enough.", "status", "availableReplicas", kind="string"),
    AGE,
    *_TEMPLATE,
    _SELECTOR,
)
SCALES = ObjectPrinter(
    (replace(NAME[0], format=""), NAME[1]),  # kube-apiserver gives this one no format
    _number("Desired", "How many replicas are wanted.", "spec", "replicas"),
    _number("Available", "How many replicas there are.", "status", "replicas"),
    AGE,
)
_REPLICA_COUNTS = (
    _number("Desired", "How many replicas are wanted.", "spec", "replicas"),
    _number("Current", "How many replicas there are.", "status", "replicas"),
    _number("Ready", "How many replicas are ready.", "status", "readyReplicas"),
)
REPLICA_SETS = ObjectPrinter(NAME, *_REPLICA_COUNTS, AGE, *_TEMPLATE, _SELECTOR)
REPLICATION_CONTROLLERS = ObjectPrinter(
    NAME,
    *_REPLICA_COUNTS,
    AGE,
    *_TEMPLATE,
    (Column("Selector", description="Which pods belong to it.", priority=1), labels_of("spec", "selector")),
)
STATEFUL_SETS = ObjectPrinter(NAME, (_READY, _ready_of_wanted), AGE, *_TEMPLATE)
DAEMON_SETS = ObjectPrinter(
    NAME,
    _number("Desired", "How many nodes should run it.", "status", "desiredNumberScheduled"),
    _number("Current", "How many nodes run it.", "status", "currentNumberScheduled"),
    _number("Ready", "How many nodes run it ready.", "status", "numberReady"),
    _number("Up-to-date", "How many nodes run the wanted template.", "status", "updatedNumberScheduled"),
    _number("Available", "How many nodes run it ready long enough.", "status", "numberAvailable"),
    (
        Column("Node Selector", description="Which nodes are chosen."),
        labels_of("spec", "template", "spec", "nodeSelector"),
    ),
    AGE,
    *_TEMPLATE,
    _SELECTOR,
)
POD_TEMPLATES = ObjectPrinter(
    NAME,
    *container_columns("template", priority=0),
    (
        Column("Pod Labels", description="The labels of the pods made from it."),
        labels_of("template", "metadata", "labels"),
    ),
)


def _controller(obj: JsonObject) -> Cell:
    owner = next((owner for owner in owner_references(obj) if owner.get("controller") is True), None)
    if owner is None:
        return NONE
    group = GroupVersion.parse(str(owner.get("apiVersion", ""))).group
    kind = str(owner.get("kind", "")).lower()
    return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"


CONTROLLER_REVISIONS = ObjectPrinter(
    NAME,
    (Column("Controller", description="What it is a revision of."), _controller),
    _number("Revision", "The number of the revision.", "revision", kind="string"),
    AGE,
)

_JOB_STATUS = ("Suspended", "FailureTarget", "SuccessCriteriaMet")
"""Conditions of a Job that is neither over nor being deleted, the first true one is shown."""


def _job_status(obj: JsonObject) -> Cell:
    conditions = listed(field(obj, "status", "conditions"))
    true = {condition.get("type") for condition in conditions if condition.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if field(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    return next((name for name in _JOB_STATUS if name in true), "Running")


def _completions(obj: JsonObject) -> Cell:
    wanted, parallel = field(obj, "spec", "completions"), integer(obj, "spec", "parallelism")
    succeeded = integer(obj, "status", "succeeded")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    return f"{succeeded}/1 of {parallel}" if parallel > 1 else f"{succeeded}/1"


def _job_duration(obj: JsonObject) -> Cell:
    started, ended = epoch(field(obj, "status", "startTime")), epoch(field(obj, "status", "completionTime"))
    if started is None:
        return ""
    return age_cell(started) if ended is None else human_duration(ended - started)


JOBS = ObjectPrinter(
    NAME,
    (Column("Status", description="How far the job is."), _job_status),
    (Column("Completions", description="How many pods have succeeded of those wanted."), _completions),
    (Column("Duration", description="How long the job took, or has been running."), _job_duration),
    AGE,
    *_TEMPLATE,
    _SELECTOR,
)


def _suspended(obj: JsonObject) -> Cell:
    return {True: "True", False: "False"}.get(field(obj, "spec", "suspend"), "<unset>")


def _last_schedule(obj: JsonObject) -> Cell:
    last = field(obj, "status", "lastScheduleTime")
    return NONE if last is None else age_cell(epoch(last))


CRON_JOBS = ObjectPrinter(
    NAME,
    (Column("Schedule", description="When it runs, in cron format."), text_of("spec", "schedule")),
    (Column("Timezone", description="The time zone of its schedule."), text_of("spec", "timeZone", default=NONE)),
    (Column("Suspend", "boolean", description="Whether it is suspended."), _suspended),
    (
        Column("Active", "integer", description="How many of its jobs are running."),
        lambda obj: len(listed(field(obj, "status", "active"))),
    ),
    (Column("Last Schedule", description="When it last started a job."), _last_schedule),
    AGE,
    *container_columns("spec", "jobTemplate", "spec", "template"),
    selector_column("spec", "jobTemplate", "spec", "selector"),
)
DISRUPTION_BUDGETS = ObjectPrinter(
    NAME,
    (
        Column("Min Available", description="How many pods must stay available."),
        text_of("spec", "minAvailable", default="N/A"),
    ),
    (
        Column("Max Unavailable", description="How many pods may be unavailable."),
        text_of("spec", "maxUnavailable", default="N/A"),
    ),
    _number("Allowed Disruptions", "How many pods may be disrupted now.", "status", "disruptionsAllowed"),
    AGE,
)
