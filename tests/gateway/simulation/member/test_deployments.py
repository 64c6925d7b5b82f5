"""Deployments decided step by step: the ReplicaSets each plan asks for are what the next one sees."""

from copy import deepcopy
from typing import Any

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.deployments import HASH_LABEL, REVISION, find_newest, plan_deployment, template_hash
from tests.gateway.simulation.builders import NOW, at, deployment


class World:
    """A Deployment with its ReplicaSets, whose Pods become available when told."""

    def __init__(self, obj: JsonObject) -> None:
        self.deployment = obj
        self.replica_sets: list[JsonObject] = []
        self.now = NOW

    def step(self) -> Any:
        plan = plan_deployment(self.deployment, self.replica_sets, self.now)
        if plan.create is not None:
            number = len(self.replica_sets)
            created = deepcopy(plan.create)
            created["metadata"] |= {"uid": f"rs{number}", "creationTimestamp": at(number), "namespace": "default"}
            self.replica_sets.append(created)
        for replica_set in self.replica_sets:
            if meta.name(replica_set) in plan.scale:
                replica_set["spec"]["replicas"] = plan.scale[meta.name(replica_set)]
            if meta.name(replica_set) == plan.newest:
                replica_set["metadata"]["annotations"][REVISION] = plan.revision
        self.replica_sets = [each for each in self.replica_sets if meta.name(each) not in plan.delete]
        self.deployment = {**self.deployment, "status": plan.status}
        return plan

    def run_pods(self, *, available: bool = True) -> None:
        """Every ReplicaSet has the Pods it wants."""
        for replica_set in self.replica_sets:
            replicas = replica_set["spec"]["replicas"]
            ready = {"readyReplicas": replicas, "availableReplicas": replicas} if available else {}
            replica_set["status"] = {"replicas": replicas, **ready}

    def settle(self, *, available: bool = True) -> None:
        for _ in range(40):
            self.step()
            self.run_pods(available=available)

    def change(self, **spec: Any) -> None:
        spec = {**self.deployment["spec"], **spec}
        metadata = {**self.deployment["metadata"], "generation": self.deployment["metadata"]["generation"] + 1}
        self.deployment = {**self.deployment, "spec": spec, "metadata": metadata}

    def image(self, image: str) -> None:
        template = deepcopy(self.deployment["spec"]["template"])
        template["spec"]["containers"][0]["image"] = image
        self.change(template=template)

    @property
    def replicas(self) -> list[int]:
        return [each["spec"]["replicas"] for each in self.replica_sets]

    def condition(self, kind: str) -> JsonObject:
        found: JsonObject = next(each for each in self.deployment["status"]["conditions"] if each["type"] == kind)
        return found


def test_a_new_deployment_gets_a_replica_set_of_its_template() -> None:
    world = World(deployment(replicas=3, minReadySeconds=5))
    world.deployment["metadata"]["annotations"] = {
        "team": "a",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        REVISION: "9",
    }
    world.step()
    (created,) = world.replica_sets
    short = template_hash(world.deployment["spec"]["template"])
    assert meta.name(created) == f"web-{short}"
    assert created["metadata"]["annotations"] == {"team": "a", REVISION: "1"}
    assert created["metadata"]["ownerReferences"][0]["uid"] == "uid-web"
    assert created["spec"]["selector"] == {"matchLabels": {"app": "web", HASH_LABEL: short}}
    assert created["spec"]["template"]["metadata"]["labels"] == {"app": "web", HASH_LABEL: short}
    assert (created["spec"]["replicas"], created["spec"]["minReadySeconds"]) == (3, 5)
    assert world.condition("Progressing")["reason"] == "NewReplicaSetCreated"
    assert world.condition("Available")["status"] == "False"


def test_a_rollout_ends_with_everything_available() -> None:
    world = World(deployment(replicas=3))
    world.settle()
    assert world.deployment["status"] | {"conditions": []} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "conditions": [],
    }
    assert world.condition("Progressing")["reason"] == "NewReplicaSetAvailable"
    assert world.condition("Available")["reason"] == "MinimumReplicasAvailable"
    assert world.step().recheck is None


def test_names_differ_with_templates_and_with_collisions() -> None:
    template = deployment()["spec"]["template"]
    assert len(template_hash(template)) == 10
    assert template_hash(template) != template_hash(template, 1)
    world = World(deployment() | {"status": {"collisionCount": 1}})
    world.step()
    assert meta.name(world.replica_sets[0]) == f"web-{template_hash(template, 1)}"
    assert world.deployment["status"]["collisionCount"] == 1


def test_a_new_image_rolls_out_and_a_rollback_is_a_new_revision() -> None:
    world = World(deployment(replicas=4))
    world.settle()
    world.image("nginx:2")
    world.step()
    assert world.condition("Progressing")["reason"] == "NewReplicaSetCreated"
    world.settle()
    assert world.replicas == [0, 4]
    assert world.step().revision == "2"
    world.image("nginx")
    world.settle()
    assert world.replicas == [4, 0]
    assert world.step().revision == "3"
    assert find_newest(world.deployment, world.replica_sets) is world.replica_sets[0]


def test_a_broken_image_never_takes_the_old_pods_below_the_limit() -> None:
    world = World(deployment(replicas=4))
    world.settle()
    world.image("crash")
    for _ in range(20):
        world.step()
        old, *new = world.replica_sets
        old["status"] = {"replicas": old["spec"]["replicas"], "availableReplicas": old["spec"]["replicas"]}
        for each in new:
            each["status"] = {"replicas": each["spec"]["replicas"]}
    assert world.replicas == [3, 2]
    assert world.condition("Available")["status"] == "True"


def test_recreate_waits_for_the_end_of_the_old_pods() -> None:
    world = World(deployment(replicas=2, strategy={"type": "Recreate"}))
    world.settle()
    world.image("nginx:2")
    world.step()
    assert world.replicas == [0]
    world.step()
    assert world.replicas == [0], "its Pods are still there"
    world.run_pods()
    world.step()
    assert world.replicas == [0, 2]


def test_scaling_is_no_rollout() -> None:
    world = World(deployment(replicas=2))
    world.settle()
    world.change(replicas=5)
    world.step()
    assert world.replicas == [5]
    assert world.condition("Progressing")["reason"] == "NewReplicaSetAvailable"


def test_while_paused_it_is_scaled_but_not_rolled_out() -> None:
    world = World(deployment(replicas=2))
    world.settle()
    world.change(paused=True, replicas=3)
    world.image("nginx:2")
    world.settle()
    assert world.replicas == [3]
    assert world.condition("Progressing")["reason"] == "DeploymentPaused"
    world.change(paused=False)
    world.step()
    world.step()
    assert world.condition("Progressing")["reason"] in {"NewReplicaSetCreated", "ReplicaSetUpdated"}
    world.settle()
    assert world.replicas == [0, 3]


def test_a_paused_deployment_in_the_middle_of_a_rollout_is_left_as_it_is() -> None:
    world = World(deployment(replicas=4))
    world.settle()
    world.image("nginx:2")
    world.step()
    world.step()
    before = world.replicas
    assert all(before)
    world.change(paused=True, replicas=6)
    world.step()
    assert world.replicas == before


def test_old_replica_sets_beyond_the_history_are_deleted() -> None:
    world = World(deployment(replicas=1, revisionHistoryLimit=1))
    for number in range(4):
        world.image(f"nginx:{number}")
        world.settle()
    assert world.replicas == [0, 1]


def test_a_rollout_without_progress_times_out_and_a_new_spec_gives_it_another_chance() -> None:
    world = World(deployment(replicas=1, progressDeadlineSeconds=60))
    world.settle(available=False)
    plan = world.step()
    assert 0 < plan.recheck <= 60
    world.now += 61
    world.step()
    assert world.condition("Progressing") | {"lastUpdateTime": "", "lastTransitionTime": ""} == {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": f'ReplicaSet "{meta.name(world.replica_sets[0])}" has timed out progressing.',
        "lastUpdateTime": "",
        "lastTransitionTime": "",
    }
    assert world.step().recheck is None
    world.change(replicas=2)
    world.step()
    assert world.condition("Progressing")["status"] == "True"


def test_without_a_deadline_nothing_times_out() -> None:
    world = World(deployment(replicas=1))
    del world.deployment["spec"]["progressDeadlineSeconds"]
    world.settle(available=False)
    world.now += 10_000
    assert world.step().recheck is None
    assert world.condition("Progressing")["status"] == "True"


def test_progress_moves_the_deadline() -> None:
    world = World(deployment(replicas=2, progressDeadlineSeconds=60))
    world.settle(available=False)
    world.now += 50
    world.replica_sets[0]["status"] |= {"readyReplicas": 1, "availableReplicas": 1}
    world.step()
    assert world.condition("Progressing")["lastUpdateTime"] == at(50)
    assert world.condition("Progressing")["lastTransitionTime"] == at(0)


def test_a_pod_lost_after_the_rollout_is_no_rollout() -> None:
    world = World(deployment(replicas=2))
    world.settle()
    world.replica_sets[0]["status"] |= {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1}
    world.step()
    assert world.condition("Progressing")["reason"] == "NewReplicaSetAvailable"
    assert world.deployment["status"]["unavailableReplicas"] == 1


def test_a_foreign_revision_counts_as_none() -> None:
    world = World(deployment())
    world.step()
    world.replica_sets[0]["metadata"]["annotations"][REVISION] = "none"
    assert world.step().revision == "1"
