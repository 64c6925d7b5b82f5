"""The life of a Pod, step by step with a clock of its own: the status each step writes is what the next one sees."""

from gateway.apimachinery.meta import JsonObject
from gateway.simulation.conditions import find_condition
from gateway.simulation.member.pod_lifecycle import PodStep, next_step
from tests.gateway.simulation.builders import NOW, at, pod


class Life:
    """Lives a Pod: takes steps until nothing is left to do before a moment."""

    def __init__(self, obj: JsonObject) -> None:
        self.pod = obj
        self.now = NOW
        self.told: list[str] = []

    def step(self) -> PodStep:
        step = next_step(self.pod, self.now, "10.1.0.1", "10.1.1.2")
        if step.status is not None:
            self.pod = {**self.pod, "status": step.status}
        self.told += [happening.reason for happening in step.happenings]
        return step

    def until(self, seconds: float) -> "Life":
        """Take every step that is due until so many seconds after NOW."""
        for _ in range(200):
            step = self.step()
            if step.status is not None:
                continue
            if step.wait is None or self.now + step.wait > NOW + seconds:
                self.now = NOW + seconds
                return self
            self.now += step.wait
        raise AssertionError("it never comes to rest")

    @property
    def phase(self) -> str:
        return str(self.pod["status"]["phase"])

    @property
    def container(self) -> JsonObject:
        status: JsonObject = self.pod["status"]["containerStatuses"][0]
        return status

    def condition(self, kind: str) -> JsonObject:
        found = find_condition(self.pod["status"]["conditions"], kind)
        assert found is not None
        return found


def test_a_pod_first_shows_that_its_container_is_created() -> None:
    life = Life(pod())
    life.step()
    assert life.phase == "Pending"
    assert life.container["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert life.pod["status"]["hostIP"] == "10.1.0.1"
    assert life.condition("Ready")["message"] == "containers with unready status: [c]"
    assert life.condition("PodReadyToStartContainers")["status"] == "False"
    assert life.told == ["Pulling"]


def test_a_server_runs_within_two_seconds_and_then_needs_no_further_look() -> None:
    life = Life(pod()).until(2)
    assert life.phase == "Running"
    assert life.pod["status"]["podIPs"] == [{"ip": "10.1.1.2"}]
    assert life.container["ready"]
    assert life.container["started"]
    assert life.container["restartCount"] == 0
    assert {each["type"] for each in life.pod["status"]["conditions"] if each["status"] == "True"} == {
        "PodScheduled",
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    }
    assert life.told == ["Pulling", "Pulled", "Created", "Started"]
    assert life.step() == PodStep()


def test_init_containers_come_first() -> None:
    obj = pod()
    obj["spec"]["initContainers"] = [{"name": "setup", "image": "busybox"}]
    life = Life(obj)
    life.step()
    assert life.container["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert life.condition("Initialized")["message"] == "containers with incomplete status: [setup]"
    life.until(2)
    (first,) = life.pod["status"]["initContainerStatuses"]
    assert first["state"]["terminated"]["reason"] == "Completed"
    assert life.condition("Initialized")["status"] == "True"


def test_a_pod_of_a_job_succeeds() -> None:
    life = Life(pod(owner="Job", restart="Never")).until(10)
    assert life.phase == "Succeeded"
    assert life.container["state"]["terminated"]["reason"] == "Completed"
    assert life.condition("Ready")["reason"] == "PodCompleted"
    assert life.step() == PodStep()


def test_a_pod_that_is_not_restarted_fails() -> None:
    life = Life(pod(command=["sh", "-c", "exit 4"], restart="Never")).until(10)
    assert life.phase == "Failed"
    assert life.container["state"]["terminated"]["exitCode"] == 4
    assert life.condition("Ready")["reason"] == "PodFailed"


def test_on_failure_restarts_what_fails_and_leaves_what_succeeds() -> None:
    assert Life(pod(command=["false"], restart="OnFailure")).until(60).container["restartCount"] > 0
    assert Life(pod(command=["true"], restart="OnFailure")).until(60).phase == "Succeeded"


def test_a_crashing_container_backs_off_longer_each_time() -> None:
    life = Life(pod(image="crash")).until(6)
    assert life.phase == "Running"
    assert life.container["restartCount"] == 1
    assert life.container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    message = life.container["state"]["waiting"]["message"]
    assert message == "back-off 10s restarting failed container=c pod=p_default(uid-p)"
    assert life.container["lastState"]["terminated"]["exitCode"] == 1
    assert life.condition("Ready")["status"] == "False"
    assert life.told[-1] == "BackOff"
    restarts = [Life(pod(image="crash")).until(seconds).container["restartCount"] for seconds in (16, 40, 90, 3000)]
    assert restarts == sorted(restarts)
    assert restarts[0] == 2
    last = Life(pod(image="crash")).until(3000).container
    assert "back-off 5m0s" in (last["state"].get("waiting") or {"message": "back-off 5m0s"})["message"]


def test_a_container_that_exits_is_seen_before_it_is_started_again() -> None:
    life = Life(pod(image="crash"))
    step = life.step()
    while "terminated" not in life.container["state"]:
        life.now += 0.5
        step = life.step()
    assert life.container["state"]["terminated"]["reason"] == "Error"
    assert step.wait is not None
    life.now += step.wait
    life.step()
    assert "running" in life.container["state"]
    assert life.container["restartCount"] == 1


def test_one_container_of_two_may_end_while_the_other_runs() -> None:
    obj = pod(restart="Never")
    obj["spec"]["containers"].append({"name": "task", "image": "x", "command": ["true"]})
    life = Life(obj).until(10)
    assert life.phase == "Running"
    assert life.condition("Ready")["message"] == "containers with unready status: [task]"


def test_a_status_written_by_somebody_else_is_left_alone() -> None:
    life = Life(pod()).until(2)
    life.pod["status"]["containerStatuses"] = [{**life.container, "state": {"waiting": {"reason": "Odd"}}}]
    assert life.step() == PodStep()


def test_a_deleted_pod_stops_soon_and_is_removed() -> None:
    life = Life(pod()).until(10)
    life.pod["metadata"] |= {"deletionTimestamp": at(40), "deletionGracePeriodSeconds": 30}
    step = life.step()
    assert [happening.message for happening in step.happenings] == ["Stopping container c"]
    assert step.wait == 1.5
    life.now += 1.5
    assert life.step() == PodStep(remove=True)


def test_a_deleted_pod_that_runs_nothing_is_removed_at_once() -> None:
    life = Life(pod())
    life.step()
    life.pod["metadata"] |= {"deletionTimestamp": at(30), "deletionGracePeriodSeconds": 30}
    assert life.step() == PodStep(remove=True)


def test_a_pod_held_by_finalizers_is_not_the_kubelets_any_more() -> None:
    life = Life(pod()).until(10)
    life.pod["metadata"] |= {"deletionTimestamp": at(10), "deletionGracePeriodSeconds": 0, "finalizers": ["x/y"]}
    assert life.step() == PodStep()
