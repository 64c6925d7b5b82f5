"""The status of one simulated container, and how it moves on with time. Pure.

States, reasons and the back-off of restarts follow kubelet: the first restart is immediate, then 10 s, doubled up to
five minutes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field
from gateway.simulation.events import NORMAL, WARNING, Happening
from gateway.simulation.member.containers import Behaviour, behaviour
from gateway.storage.object_meta import parse_timestamp, timestamp

_FIRST_BACK_OFF = 10
_LONGEST_BACK_OFF = 300


@dataclass(frozen=True, slots=True)
class ContainerStep:
    """A container's status now, what happened to it, and in how many seconds more will; None for never."""

    status: JsonObject
    happenings: tuple[Happening, ...] = ()
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class ContainerPlace:
    """One container of a Pod, with what its states depend on."""

    pod: JsonObject
    container: JsonObject

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container["name"])

    @property
    def image(self) -> str:
        """The image as it stands in the spec."""
        return str(self.container.get("image") or "")

    @property
    def behaviour(self) -> Behaviour:
        """What the container does."""
        owners = meta.owner_references(self.pod)
        return behaviour(self.container, batch=any(owner.get("kind") == "Job" for owner in owners))

    def restarts_after(self, exit_code: int) -> bool:
        """Whether the Pod's restart policy starts the container again."""
        policy = field(self.pod, "spec", "restartPolicy")
        return policy == "Always" or (policy == "OnFailure" and exit_code != 0)

    def happened(self, type_: str, reason: str, message: str) -> Happening:
        """Return what happened, pointing at this container."""
        return Happening(type_, reason, message, f"spec.containers{{{self.name}}}")

    def identity(self, restart: int) -> str:
        """Return a containerID."""
        seed = f"{meta.uid(self.pod)}/{self.name}/{restart}"
        return f"simulated://{hashlib.sha256(seed.encode()).hexdigest()}"


def waiting(place: ContainerPlace, reason: str) -> JsonObject:
    """Return the status of a container that was not started yet."""
    return {
        "name": place.name,
        "image": place.image,
        "imageID": "",
        "restartCount": 0,
        "ready": False,
        "started": False,
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
    }


def completed(place: ContainerPlace, now: float) -> JsonObject:
    """Return the status of an init container that has done its work."""
    done = {"exitCode": 0, "reason": "Completed", "startedAt": timestamp(now), "finishedAt": timestamp(now)}
    state = {"terminated": {**done, "containerID": place.identity(0)}}
    return {**waiting(place, ""), **_images(place), "containerID": place.identity(0), "ready": True, "state": state}


def pulling(place: ContainerPlace) -> Happening:
    """Return the Event of a pull that begins."""
    return place.happened(NORMAL, "Pulling", f'Pulling image "{place.image}"')


def started(place: ContainerPlace, now: float, pull_seconds: float) -> ContainerStep:
    """Return a container that was started for the first time, after its image was pulled."""
    took = f"{pull_seconds:.3g}s"
    pulled = f'Successfully pulled image "{place.image}" in {took} ({took} including waiting).'
    return _running(place, waiting(place, ""), 0, now, pulled)


def _running(place: ContainerPlace, status: JsonObject, restart: int, now: float, pulled: str) -> ContainerStep:
    identity = place.identity(restart)
    running = {
        **status,
        **_images(place),
        "containerID": identity,
        "restartCount": restart,
        "ready": place.behaviour.ready,
        "started": True,
        "state": {"running": {"startedAt": timestamp(now)}},
    }
    happenings = (
        place.happened(NORMAL, "Pulled", pulled),
        place.happened(NORMAL, "Created", f"Created container: {place.name}"),
        place.happened(NORMAL, "Started", f"Started container {place.name}"),
    )
    return ContainerStep(running, happenings, place.behaviour.runs_for)


def _images(place: ContainerPlace) -> JsonObject:
    image = place.image
    digest = hashlib.sha256(image.encode()).hexdigest()
    return {"image": image, "imageID": f"{image.partition('@')[0].partition(':')[0]}@sha256:{digest}"}


def moved_on(place: ContainerPlace, status: JsonObject, now: float) -> ContainerStep:
    """Return a container that was started before, as it is now."""
    state = status.get("state") or {}
    if "running" in state:
        return _while_running(place, status, now)
    if "terminated" in state:
        return _after_exit(place, status, now)
    return _in_back_off(place, status, now)


def _while_running(place: ContainerPlace, status: JsonObject, now: float) -> ContainerStep:
    does = place.behaviour
    began = status["state"]["running"]["startedAt"]
    if does.runs_for is None:
        return ContainerStep(status)
    ends = parse_timestamp(began) + does.runs_for
    if now < ends:
        return ContainerStep(status, wait=ends - now)
    terminated = {
        "exitCode": does.exit_code,
        "reason": "Error" if does.exit_code else "Completed",
        "startedAt": began,
        "finishedAt": timestamp(now),
        "containerID": status.get("containerID", ""),
    }
    exited = {**status, "ready": False, "started": False, "state": {"terminated": terminated}}
    return replace(_after_exit(place, exited, now), status=exited)


def _after_exit(place: ContainerPlace, status: JsonObject, now: float) -> ContainerStep:
    """Stay, where the restart policy leaves it at that; else wait a moment and start again, or back off."""
    terminated = status["state"]["terminated"]
    if not place.restarts_after(terminated["exitCode"]):
        return ContainerStep(status)
    visible_until = parse_timestamp(terminated["finishedAt"]) + 1
    if now < visible_until:
        return ContainerStep(status, wait=visible_until - now)
    restarts = status["restartCount"]
    if not restarts:
        return _restarted(place, status, terminated, now)
    seconds = back_off(restarts)
    pod = f"{meta.name(place.pod)}_{meta.namespace(place.pod)}({meta.uid(place.pod)})"
    message = f"back-off {_go_duration(seconds)} restarting failed container={place.name} pod={pod}"
    held = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    text = f"Back-off restarting failed container {place.name} in pod {pod}"
    happening = place.happened(WARNING, "BackOff", text)
    wait = parse_timestamp(terminated["finishedAt"]) + seconds - now
    return ContainerStep({**status, "state": held, "lastState": {"terminated": terminated}}, (happening,), wait)


def _in_back_off(place: ContainerPlace, status: JsonObject, now: float) -> ContainerStep:
    terminated = field(status, "lastState", "terminated")
    if terminated is None:
        return ContainerStep(status)
    due = parse_timestamp(terminated["finishedAt"]) + back_off(status["restartCount"])
    if now < due:
        return ContainerStep(status, wait=due - now)
    return _restarted(place, status, terminated, now)


def _restarted(place: ContainerPlace, status: JsonObject, terminated: JsonObject, now: float) -> ContainerStep:
    pulled = f'Container image "{place.image}" already present on machine'
    again = {**status, "lastState": {"terminated": terminated}}
    return _running(place, again, status["restartCount"] + 1, now, pulled)


def back_off(restarts: int) -> int:
    """Return the seconds before the next restart of a container that was restarted so often already."""
    return min(_FIRST_BACK_OFF * 2 ** (restarts - 1), _LONGEST_BACK_OFF) if restarts else 0


def _go_duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
