"""The Tables of workloads: Deployments and their kin, Jobs, autoscalers, budgets. Pure.

Follows k8s.io/kubernetes `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.apimachinery.duration import human_duration
from gateway.apimachinery.meta import JsonObject, field
from gateway.printers.cells import AGE_COLUMN, NAME_COLUMN, NONE, age, integer, labels_text, listed, selector_text, text
from gateway.printers.columns import Column
from gateway.printers.object_printer import ObjectPrinter
from gateway.printers.row import Cell, Slot, age_cell
from gateway.printers.timestamps import epoch

_CONTAINERS = Column("Containers", description="Names of each container in the template.", priority=1)
_IMAGES = Column("Images", description="Images referenced by each container in the template.", priority=1)
_SELECTOR = Column("Selector", description="Which pods belong to it.", priority=1)


def _number(name: str, description: str, priority: int = 0) -> Column:
    return Column(name, "integer", description=description, priority=priority)


def _template_cells(obj: JsonObject, *path: str) -> tuple[str, str]:
    containers = listed(field(obj, *(path or ("spec", "template")), "spec", "containers"))
    names = ",".join(str(container.get("name", "")) for container in containers)
    return names, ",".join(str(container.get("image", "")) for container in containers)


def _replicas(obj: JsonObject) -> int:
    wanted = field(obj, "spec", "replicas")
    return wanted if isinstance(wanted, int) else 0


def _deployment(obj: JsonObject) -> Sequence[Cell]:
    return [
        Slot.NAME,
        f"{integer(obj, 'status', 'readyReplicas')}/{_replicas(obj)}",
        integer(obj, "status", "updatedReplicas"),
        integer(obj, "status", "availableReplicas"),
        age(obj),
        *_template_cells(obj),
        selector_text(field(obj, "spec", "selector")),
    ]


DEPLOYMENTS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Ready", description="Number of the pod with ready state."),
        Column("Up-to-date", description="How many replicas already run the wanted template."),
        Column("Available", description="How many replicas have been ready for long enough."),
        AGE_COLUMN, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    _deployment,
)  # fmt: skip


def _replica_set(obj: JsonObject) -> Sequence[Cell]:
    return [
        Slot.NAME,
        _replicas(obj),
        integer(obj, "status", "replicas"),
        integer(obj, "status", "readyReplicas"),
        age(obj),
        *_template_cells(obj),
        selector_text(field(obj, "spec", "selector")),
    ]


REPLICA_SETS = ObjectPrinter(
    (
        NAME_COLUMN,
        _number("Desired", "How many replicas are wanted."),
        _number("Current", "How many replicas there are."),
        _number("Ready", "How many replicas are ready."),
        AGE_COLUMN, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    _replica_set,
)  # fmt: skip


def _stateful_set(obj: JsonObject) -> Sequence[Cell]:
    ready = f"{integer(obj, 'status', 'readyReplicas')}/{_replicas(obj)}"
    return [Slot.NAME, ready, age(obj), *_template_cells(obj)]


STATEFUL_SETS = ObjectPrinter(
    (NAME_COLUMN, Column("Ready", description="Number of the pod with ready state."), AGE_COLUMN, _CONTAINERS, _IMAGES),
    _stateful_set,
)


def _daemon_set(obj: JsonObject) -> Sequence[Cell]:
    return [
        Slot.NAME,
        integer(obj, "status", "desiredNumberScheduled"),
        integer(obj, "status", "currentNumberScheduled"),
        integer(obj, "status", "numberReady"),
        integer(obj, "status", "updatedNumberScheduled"),
        integer(obj, "status", "numberAvailable"),
        labels_text(field(obj, "spec", "template", "spec", "nodeSelector")),
        age(obj),
        *_template_cells(obj),
        selector_text(field(obj, "spec", "selector")),
    ]


DAEMON_SETS = ObjectPrinter(
    (
        NAME_COLUMN,
        _number("Desired", "How many nodes should run it."),
        _number("Current", "How many nodes run it."),
        _number("Ready", "How many nodes run it ready."),
        _number("Up-to-date", "How many nodes run the wanted template."),
        _number("Available", "How many nodes have run it ready for long enough."),
        Column("Node Selector", description="Which nodes are chosen."),
        AGE_COLUMN, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    _daemon_set,
)  # fmt: skip


def _job_status(obj: JsonObject) -> str:
    conditions = listed(field(obj, "status", "conditions"))
    true = {condition.get("type") for condition in conditions if condition.get("status") == "True"}
    if "Complete" in true:
        return "Complete"
    if "Failed" in true:
        return "Failed"
    if field(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    if "Suspended" in true:
        return "Suspended"
    if "FailureTarget" in true:
        return "FailureTarget"
    return "SuccessCriteriaMet" if "SuccessCriteriaMet" in true else "Running"


def _job(obj: JsonObject) -> Sequence[Cell]:
    wanted, parallel = field(obj, "spec", "completions"), field(obj, "spec", "parallelism")
    succeeded = integer(obj, "status", "succeeded")
    if wanted is not None:
        completions = f"{succeeded}/{wanted}"
    else:
        completions = f"{succeeded}/1 of {parallel}" if isinstance(parallel, int) and parallel > 1 else f"{succeeded}/1"
    started, ended = epoch(field(obj, "status", "startTime")), epoch(field(obj, "status", "completionTime"))
    duration: Cell = ""
    if started is not None:
        duration = age_cell(started) if ended is None else human_duration(ended - started)
    selector = selector_text(field(obj, "spec", "selector"))
    return [Slot.NAME, _job_status(obj), completions, duration, age(obj), *_template_cells(obj), selector]


JOBS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Status", description="Status of the job."),
        Column("Completions", description="How many pods have succeeded of those wanted."),
        Column("Duration", description="Time required to complete the job."),
        AGE_COLUMN, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    _job,
)  # fmt: skip


def _cron_job(obj: JsonObject) -> Sequence[Cell]:
    last = epoch(field(obj, "status", "lastScheduleTime"))
    return [
        Slot.NAME,
        text(obj, "spec", "schedule"),
        text(obj, "spec", "timeZone") or NONE,
        "True" if field(obj, "spec", "suspend") else "False",
        len(listed(field(obj, "status", "active"))),
        NONE if last is None else age_cell(last),
        age(obj),
        *_template_cells(obj, "spec", "jobTemplate", "spec", "template"),
        selector_text(field(obj, "spec", "jobTemplate", "spec", "selector")),
    ]


CRON_JOBS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Schedule", description="When it runs, in cron format."),
        Column("Timezone", description="The time zone of its schedule."),
        Column("Suspend", "boolean", description="Whether it is suspended."),
        _number("Active", "How many of its jobs are running."),
        Column("Last Schedule", description="When it last started a job."),
        AGE_COLUMN, _CONTAINERS, _IMAGES, _SELECTOR,
    ),
    _cron_job,
)  # fmt: skip


def _metric_text(spec: JsonObject, current: JsonObject | None) -> str:
    kind = str(spec.get("type", ""))
    key = kind[:1].lower() + kind[1:]
    target = field(spec, key, "target") or {}
    now = field(current or {}, key, "current") or {}
    name = field(spec, key, "name") or field(spec, key, "metric", "name") or ""
    for wanted, suffix in (("averageUtilization", "%"), ("averageValue", " (avg)"), ("value", "")):
        if wanted in target:
            found = now.get(wanted)
            shown = "<unknown>" if found is None else f"{found}{suffix if suffix == '%' else ''}"
            prefix = f"{name}: " if name else ""
            return f"{prefix}{shown}/{target[wanted]}{suffix}"
    return "<unknown>"


def _autoscaler(obj: JsonObject) -> Sequence[Cell]:
    metrics, current = listed(field(obj, "spec", "metrics")), listed(field(obj, "status", "currentMetrics"))
    texts = [_metric_text(spec, current[index] if index < len(current) else None) for index, spec in enumerate(metrics)]
    minimum = field(obj, "spec", "minReplicas")
    return [
        Slot.NAME,
        f"{text(obj, 'spec', 'scaleTargetRef', 'kind')}/{text(obj, 'spec', 'scaleTargetRef', 'name')}",
        ", ".join(texts) or NONE,
        "<unset>" if minimum is None else str(minimum),
        integer(obj, "spec", "maxReplicas"),
        integer(obj, "status", "currentReplicas"),
        age(obj),
    ]


AUTOSCALERS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Reference", description="What it scales."),
        Column("Targets", description="What it measures, and what it aims at."),
        Column("MinPods", description="The lower limit of replicas."),
        Column("MaxPods", description="The upper limit of replicas."),
        Column("Replicas", description="How many replicas there are."),
        AGE_COLUMN,
    ),
    _autoscaler,
)


def _budget(obj: JsonObject) -> Sequence[Cell]:
    minimum, maximum = field(obj, "spec", "minAvailable"), field(obj, "spec", "maxUnavailable")
    return [
        Slot.NAME,
        "N/A" if minimum is None else str(minimum),
        "N/A" if maximum is None else str(maximum),
        integer(obj, "status", "disruptionsAllowed"),
        age(obj),
    ]


DISRUPTION_BUDGETS = ObjectPrinter(
    (
        NAME_COLUMN,
        Column("Min Available", description="How many pods must stay available."),
        Column("Max Unavailable", description="How many pods may be unavailable."),
        _number("Allowed Disruptions", "How many pods may be disrupted now."),
        AGE_COLUMN,
    ),
    _budget,
)
