"""Writes through the gateway: what members answer to them, and when the gateway comes to read the answers.

The member's own events of a write arrive before its answer or long after, and answers overtake each other.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cache.cached_object import CachedObject
from gateway.apimachinery.meta import JsonObject

if TYPE_CHECKING:
    from tests.cache.model.world import World

GONE_WAIT = 3.0
"""Seconds for which the answer to a deletion may wait for its event."""


@dataclass(frozen=True)
class Answer:
    """What a member answered; of a deletion with the object that was to be deleted, as it was known then."""

    cluster: str
    obj: JsonObject
    deleted: CachedObject | None = None


class Writes:
    """Mutable state: the answers under way."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self._answers: list[Answer] = []

    def put(self, cluster: str, namespace: str, name: str, facts: dict[str, Any]) -> None:
        answer = self.world.members.put(cluster, namespace, name, facts)
        self._under_way(Answer(cluster, answer))

    def delete(self, cluster: str, namespace: str, name: str, how: str) -> None:
        """Delete an object, if it is there; one that the gateway does not know cannot be deleted through it."""
        known = self._known(cluster, namespace, name)
        truth = self.world.members.member(cluster).objects.get((namespace, name))
        answer = self.world.members.erase(cluster, namespace, name, how)
        if known is not None and truth is not None and known.uid == truth["metadata"]["uid"]:
            self._under_way(Answer(cluster, answer, known))

    def _known(self, cluster: str, namespace: str, name: str) -> CachedObject | None:
        owners = self.world.pods.owners(namespace, name)
        return next((obj for obj in owners if (obj.cluster, obj.original_name) == (cluster, name)), None)

    def _under_way(self, answer: Answer) -> None:
        if not self.world.members.of[answer.cluster].down:
            self._answers.append(answer)

    def lose(self, cluster: str) -> None:
        """Answers under way are lost with the connections."""
        self._answers = [answer for answer in self._answers if answer.cluster != cluster]

    def lose_all(self) -> None:
        self._answers.clear()

    async def read_all(self) -> None:
        """Read what is under way, in any order, and wait until the callers have their answers."""
        while self._answers:
            answer = self._take()
            if answer.deleted is None:
                self._read(answer)
            else:
                await self._read_deleted(answer, answer.deleted)

    def read_one(self) -> None:
        """The gateway reads an answer; that to a deletion it passes on when reads show the end."""
        if not self._answers:
            return
        answer = self._take()
        if answer.deleted is None:
            self._read(answer)
        else:
            self.world.begin(self._read_deleted(answer, answer.deleted))

    def _take(self) -> Answer:
        return self._answers.pop(self.world.random.randrange(len(self._answers)))

    def _read(self, answer: Answer) -> None:
        pods, cluster, obj = self.world.pods, answer.cluster, answer.obj
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        served = json.loads(pods.writes.restamp(cluster, json.dumps(obj).encode()))
        assert served["metadata"]["uid"] == obj["metadata"]["uid"]
        members = self.world.members
        reading = cluster in members.joined - members.doubtful
        if reading and members.of[cluster].objects.get((namespace, name)) == obj:
            cached = self._known(cluster, namespace, name)
            assert cached is not None, f"{name} of {cluster} was written and is not there"
            assert cached.member_rv == obj["metadata"]["resourceVersion"]
            assert served["metadata"]["resourceVersion"] == str(cached.rv)
            assert pods.writes.member_version(cached, str(cached.rv)) == cached.member_rv
            assert pods.writes.member_version(cached, str(cached.rv - 1)) is None

    async def _read_deleted(self, answer: Answer, known: CachedObject) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        told = json.loads(await self.world.pods.writes.deleted(known, json.dumps(answer.obj).encode()))
        waited = clock() - began
        assert waited <= GONE_WAIT
        if answer.obj["kind"] == "Status":
            assert told == answer.obj
        else:
            assert told["metadata"]["uid"] == known.uid
        if answer.obj.get("metadata", {}).get("deletionGracePeriodSeconds"):
            return
        unheard = any(member.error for member in self.world.pods.freshness() if member.name == answer.cluster)
        patient = waited == GONE_WAIT and not self.world.calm
        gone = known.uid not in self.world.present().values()
        assert gone or unheard or patient, f"{known.key} was deleted and is read {waited} s later"
