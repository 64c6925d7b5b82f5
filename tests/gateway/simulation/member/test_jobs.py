from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.simulation.conditions import find_condition
from gateway.simulation.member.jobs import is_finished, plan_job
from gateway.simulation.member.pod_state import PodState
from tests.gateway.simulation.builders import NOW, at


def job(**spec: Any) -> JsonObject:
    return {
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, **spec},
    }


RUNNING = PodState("r", ready_since=NOW)
DONE = PodState("d", phase="Succeeded")
FAILED = PodState("f", phase="Failed")


def test_a_new_job_gets_a_pod() -> None:
    plan = plan_job(job(), [], NOW)
    assert plan.create == 1
    assert plan.status == {"ready": 0, "startTime": at(0), "terminating": 0}


def test_no_more_pods_run_at_once_than_are_still_needed() -> None:
    assert plan_job(job(completions=5, parallelism=3), [DONE, DONE, RUNNING], NOW).create == 2
    assert plan_job(job(completions=5, parallelism=3), [DONE] * 4 + [RUNNING], NOW).create == 0


def test_a_job_is_complete_when_enough_pods_succeeded() -> None:
    plan = plan_job(job() | {"status": {"startTime": at(-9)}}, [DONE], NOW)
    assert (plan.create, plan.ended) == (0, "Complete")
    assert (plan.status["succeeded"], plan.status["startTime"]) == (1, at(-9))
    assert plan.status["completionTime"] == at(0)
    complete = find_condition(plan.status["conditions"], "Complete")
    assert complete is not None
    assert complete["reason"] == "CompletionsReached"
    assert is_finished(job() | {"status": plan.status})
    assert not is_finished(job())


def test_what_still_runs_when_a_job_ends_is_deleted() -> None:
    plan = plan_job(job(completions=1, parallelism=2), [DONE, RUNNING], NOW)
    assert plan.delete == ("r",)
    assert "active" not in plan.status


def test_a_job_is_given_up_after_its_limit_of_failures() -> None:
    assert plan_job(job(backoffLimit=1), [FAILED], NOW).create == 1
    plan = plan_job(job(backoffLimit=1), [FAILED, FAILED], NOW)
    assert (plan.create, plan.ended) == (0, "Failed")
    assert is_finished(job() | {"status": plan.status})


def test_a_suspended_job_runs_nothing() -> None:
    plan = plan_job(job(suspend=True), [RUNNING], NOW)
    assert (plan.create, plan.delete) == (0, ("r",))
    assert "startTime" not in plan.status


def test_a_job_without_completions_ends_with_its_first_success() -> None:
    queue = job(parallelism=2)
    queue["spec"]["completions"] = None
    assert plan_job(queue, [RUNNING], NOW).create == 1
    assert plan_job(queue, [RUNNING, DONE], NOW).create == 0
    assert plan_job(queue, [DONE], NOW).ended == "Complete"


def test_conditions_of_others_are_kept() -> None:
    other = [{"type": "Suspended", "status": "False"}]
    assert plan_job(job() | {"status": {"conditions": other}}, [RUNNING], NOW).status["conditions"] == other
