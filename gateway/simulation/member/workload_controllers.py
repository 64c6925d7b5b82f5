"""Carries out what deployments.py, replica_sets.py and jobs.py decide: the controllers of workloads, in one work loop.

Wakes on changes of the workloads themselves and of the Pods and ReplicaSets they own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.apimachinery import meta
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.simulation.events import NORMAL, WARNING, Happening, Source
from gateway.simulation.member.deployments import REVISION, DeploymentPlan, plan_deployment
from gateway.simulation.member.event_recorder import EventRecorder
from gateway.simulation.member.jobs import is_finished, plan_job
from gateway.simulation.member.objects import MemberObjects, controller_of
from gateway.simulation.member.ownership import claim
from gateway.simulation.member.pod_state import read_pod
from gateway.simulation.member.replica_sets import plan_replica_set, pod_from_template
from gateway.simulation.timed_work import TimedWorkLoop
from gateway.storage.interface import StoredEvent
from gateway.storage.registry import Registry

_MANAGER = "kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Reference:
    """A workload: its resource and key."""

    resource: str
    key: ObjectKey

    def __str__(self) -> str:
        """Show it as log lines name objects."""
        return f"{self.resource} {self.key}"


class WorkloadControllers:
    """The controllers of Deployments, ReplicaSets and Jobs of one member."""

    def __init__(self, registry: Registry, now: Callable[[], float]) -> None:
        """Follow the store's events from now on; `run` acts on them."""
        self._now = now
        self._deployments = MemberObjects(registry, "apps/v1", "deployments", _MANAGER)
        self._replica_sets = MemberObjects(registry, "apps/v1", "replicasets", _MANAGER)
        self._jobs = MemberObjects(registry, "batch/v1", "jobs", _MANAGER)
        self._pods = MemberObjects(registry, "v1", "pods", _MANAGER)
        self._deployment_events = EventRecorder(registry, Source("deployment-controller"), now)
        self._replica_set_events = EventRecorder(registry, Source("replicaset-controller"), now)
        self._job_events = EventRecorder(registry, Source("job-controller"), now)
        self._work: TimedWorkLoop[Reference] = TimedWorkLoop("control", self._reconcile)
        self._owners = {"Deployment": self._deployments, "ReplicaSet": self._replica_sets, "Job": self._jobs}
        for objects in (*self._owners.values(), self._pods):
            registry.storage.listen(objects.resource, self._observe)

    async def run(self) -> None:
        """Control until cancelled."""
        self._look_around("")
        await self._work.run()

    def _observe(self, event: StoredEvent) -> None:
        stored = event.object
        if stored is None:
            return
        if event.resource != self._pods.resource and event.type != "DELETED":
            self._work.add(Reference(event.resource, stored.key))
        for version in (stored, event.previous):
            owner = controller_of(version) if version is not None else None
            objects = self._owners.get(owner.get("kind", "")) if owner is not None else None
            if owner is not None and objects is not None:
                self._work.add(Reference(objects.resource, ObjectKey(stored.key.namespace, owner.get("name", ""))))
        if event.resource in {self._pods.resource, self._replica_sets.resource} and _is_new_orphan(event):
            self._look_around(stored.key.namespace)

    def _look_around(self, namespace: str) -> None:
        """Have every workload of a namespace, of all for "", look for what is its own."""
        for objects in self._owners.values():
            for stored in objects.stored(namespace):
                self._work.add(Reference(objects.resource, stored.key))

    async def _reconcile(self, reference: Reference) -> None:
        resource, key = reference.resource, reference.key
        recheck: float | None = None
        if resource == self._deployments.resource:
            recheck = await self._reconcile_deployment(key)
        elif resource == self._replica_sets.resource:
            recheck = await self._reconcile_replica_set(key)
        else:
            await self._reconcile_job(key)
        if recheck is not None:
            self._work.add_after(reference, recheck)

    async def _reconcile_deployment(self, key: ObjectKey) -> float | None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        owned = await claim(deployment, self._replica_sets)
        replica_sets = [self._replica_sets.definition.object(stored) for stored in owned]
        plan = plan_deployment(deployment, replica_sets, self._now())
        if not meta.deletion_timestamp(deployment):
            await self._roll_out(deployment, {meta.name(each): each for each in replica_sets}, plan)
            deployment = await self._with_revision(deployment, plan)
        if plan.status != deployment.get("status"):
            await self._deployments.update_status(deployment, plan.status)
        return plan.recheck

    async def _roll_out(
        self, deployment: JsonObject, replica_sets: dict[str, JsonObject], plan: DeploymentPlan
    ) -> None:
        if plan.create is not None:
            await self._create_replica_set(deployment, plan.create)
        for name, replicas in plan.scale.items():
            await self._scale(deployment, replica_sets[name], replicas)
        for name in plan.delete:
            await self._replica_sets.delete(ObjectKey(meta.namespace(deployment), name))

    async def _create_replica_set(self, deployment: JsonObject, wanted: JsonObject) -> None:
        wanted["metadata"]["namespace"] = meta.namespace(deployment)
        try:
            created = await self._replica_sets.create(wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # Somebody else's ReplicaSet has the name: the next one is made with another hash.
            status = dict(deployment.get("status") or {})
            status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
            await self._deployments.update_status(deployment, status)
            raise
        await self._tell_scaled(deployment, meta.name(created), 0, created["spec"]["replicas"])

    async def _scale(self, deployment: JsonObject, replica_set: JsonObject, replicas: int) -> None:
        before = replica_set["spec"]["replicas"]
        replica_set["spec"]["replicas"] = replicas
        await self._replica_sets.update(replica_set)
        await self._tell_scaled(deployment, meta.name(replica_set), before, replicas)

    async def _tell_scaled(self, deployment: JsonObject, name: str, before: int, after: int) -> None:
        if before != after:
            message = f"Scaled {'up' if after > before else 'down'} replica set {name} from {before} to {after}"
            await self._deployment_events.record(deployment, Happening(NORMAL, "ScalingReplicaSet", message))

    async def _with_revision(self, deployment: JsonObject, plan: DeploymentPlan) -> JsonObject:
        """Write the revision to the newest ReplicaSet and to the Deployment, where it is not there yet."""
        newest = self._replica_sets.get(ObjectKey(meta.namespace(deployment), plan.newest)) if plan.newest else None
        if newest is not None and meta.annotations(newest).get(REVISION) != plan.revision:
            newest["metadata"]["annotations"] = {**meta.annotations(newest), REVISION: plan.revision}
            await self._replica_sets.update(newest)
        if (newest is None and plan.create is None) or meta.annotations(deployment).get(REVISION) == plan.revision:
            return deployment
        annotations = {**meta.annotations(deployment), REVISION: plan.revision}
        return await self._deployments.update(
            {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}
        )

    async def _reconcile_replica_set(self, key: ObjectKey) -> float | None:
        replica_set = self._replica_sets.get(key)
        if replica_set is None:
            return None
        pods = [read_pod(stored) for stored in await claim(replica_set, self._pods)]
        plan = plan_replica_set(replica_set, pods, self._now())
        await self._create_pods(replica_set, plan.create, self._replica_set_events)
        await self._delete_pods(replica_set, plan.delete, self._replica_set_events)
        if plan.status != replica_set.get("status"):
            await self._replica_sets.update_status(replica_set, plan.status)
        return plan.recheck

    async def _reconcile_job(self, key: ObjectKey) -> None:
        job = self._jobs.get(key)
        if job is None or is_finished(job) or meta.deletion_timestamp(job):
            return
        plan = plan_job(job, [read_pod(stored) for stored in await claim(job, self._pods)], self._now())
        await self._create_pods(job, plan.create, self._job_events)
        await self._delete_pods(job, plan.delete, self._job_events)
        if plan.status != job.get("status"):
            job = await self._jobs.update_status(job, plan.status)
        if plan.ended == "Complete":
            await self._job_events.record(job, Happening(NORMAL, "Completed", "Job completed"))
        elif plan.ended:
            text = "Job has reached the specified backoff limit"
            await self._job_events.record(job, Happening(WARNING, "BackoffLimitExceeded", text))

    async def _create_pods(self, owner: JsonObject, number: int, events: EventRecorder) -> None:
        for _ in range(number):
            wanted = pod_from_template(owner)
            wanted["metadata"]["namespace"] = meta.namespace(owner)
            try:
                created = await self._pods.create(wanted)
            except ApiError as error:
                happening = Happening(WARNING, "FailedCreate", f"Error creating: {error.message}")
                await events.record(owner, happening)
                raise
            message = f"Created pod: {meta.name(created)}"
            await events.record(owner, Happening(NORMAL, "SuccessfulCreate", message))

    async def _delete_pods(self, owner: JsonObject, names: tuple[str, ...], events: EventRecorder) -> None:
        for name in names:
            await self._pods.delete(ObjectKey(meta.namespace(owner), name))
            await events.record(owner, Happening(NORMAL, "SuccessfulDelete", f"Deleted pod: {name}"))


def _is_new_orphan(event: StoredEvent) -> bool:
    """Whether an object without a controller has come, or has other labels now: it may be somebody's to adopt."""
    if event.object is None or event.type == "DELETED" or controller_of(event.object) is not None:
        return False
    return event.previous is None or event.previous.metadata.labels != event.object.metadata.labels
