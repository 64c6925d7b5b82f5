"""What a Job needs: Pods to create or delete, and its status. Pure.

The plain case of k8s.io/kubernetes `pkg/controller/job`: completions, parallelism, backoffLimit and suspend; without
indexes, deadlines and policies for failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.conditions import find_condition, with_condition
from gateway.simulation.member.pod_state import PodState
from gateway.storage.object_meta import timestamp


@dataclass(frozen=True, slots=True)
class JobPlan:
    """How many Pods to create, which to delete, the status to write, and how the Job has just ended ("" while not)."""

    create: int
    delete: tuple[str, ...]
    status: JsonObject
    ended: str = ""


def is_finished(job: JsonObject) -> bool:
    """Whether a Job has completed or failed for good."""
    conditions = field(job, "status", "conditions") or []
    ends = [find_condition(conditions, kind) for kind in ("Complete", "Failed")]
    return any(end is not None and end.get("status") == "True" for end in ends)


def plan_job(job: JsonObject, pods: Sequence[PodState], now: float) -> JobPlan:
    """Decide for one Job that is not finished and the Pods it owns."""
    spec = job["spec"]
    active = [pod for pod in pods if pod.active]
    succeeded = sum(pod.phase == "Succeeded" for pod in pods)
    failed = sum(pod.phase == "Failed" for pod in pods)
    completions = spec.get("completions")
    parallelism = 0 if spec.get("suspend") else int(spec.get("parallelism", 1))
    complete = succeeded >= completions if completions is not None else bool(succeeded) and not active
    given_up = not complete and failed > int(spec.get("backoffLimit", 6))
    wanted = _wanted(completions, succeeded, parallelism, len(active))
    if complete or given_up:
        wanted = 0
    surplus = tuple(pod.name for pod in active[wanted:])
    status = _status(job, active[:wanted] if surplus else active, succeeded, failed, now)
    if complete:
        message = "Reached expected number of succeeded pods"
        ended = [("SuccessCriteriaMet", "CompletionsReached", message), ("Complete", "CompletionsReached", message)]
        status["completionTime"] = timestamp(now)
    elif given_up:
        message = "Job has reached the specified backoff limit"
        ended = [("FailureTarget", "BackoffLimitExceeded", message), ("Failed", "BackoffLimitExceeded", message)]
    else:
        return JobPlan(max(0, wanted - len(active)), surplus, status)
    for kind, reason, text in ended:
        condition = {"type": kind, "status": "True", "reason": reason, "message": text, "lastProbeTime": timestamp(now)}
        status["conditions"] = with_condition(status.get("conditions") or [], condition, timestamp(now))
    return JobPlan(0, surplus, status, ended[-1][0])


def _wanted(completions: int | None, succeeded: int, parallelism: int, active: int) -> int:
    """Return how many Pods are to run at once."""
    if completions is not None:
        return min(parallelism, completions - succeeded)
    return active if succeeded else parallelism


def _status(job: JsonObject, active: Sequence[PodState], succeeded: int, failed: int, now: float) -> JsonObject:
    before = job.get("status") or {}
    counts = {
        "active": len(active),
        "ready": sum(pod.ready_since is not None for pod in active),
        "succeeded": succeeded,
        "failed": failed,
    }
    status: JsonObject = {name: count for name, count in counts.items() if count or name == "ready"}
    if not job["spec"].get("suspend") or before.get("startTime"):
        status["startTime"] = before.get("startTime") or timestamp(now)
    status["terminating"] = 0
    if before.get("conditions"):
        status["conditions"] = before["conditions"]
    return status
