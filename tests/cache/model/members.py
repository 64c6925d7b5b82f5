"""The members: what is in them, what goes wrong with them, and what must be served of them by the naming rules."""

import asyncio
import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from cache.line_splitter import LINE_LIMIT
from cache.lister_watcher import Unavailable
from gateway.apimachinery.meta import JsonObject
from tests.support.fake_member import FakeMember
from tests.support.objects import pod

CLUSTERS = ("a", "b", "c", "d")
NAMES = ("web", "web.b", "web.b.b", "db", "web.c")
_LINE_PIECE = b"x" * (1 << 20)


class Members:
    """Mutable state: the member behind each name, who is joined, and backups taken of them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.of: dict[str, FakeMember] = {}
        self.joined: set[str] = set()
        self.down_since: dict[str, float] = {}
        self.frozen_since: dict[str, float] = {}
        self.doubtful: set[str] = set()
        """What was restored, replaced or without the resource lately: until it is listed, answers of it may be old."""
        self._backups: dict[str, Any] = {}
        self._uids = 0

    def member(self, cluster: str) -> FakeMember:
        if cluster not in self.of:
            member = self.of[cluster] = FakeMember(revision=self.random.choice((1, 98, 100, 5_000_000_000)))
            member.latency = 0.1
            member.joins = self.random.random() < 0.5
            if self.random.random() < 0.5:
                member.chunks = self._cut
        return self.of[cluster]

    def _cut(self, line: bytes) -> Iterator[bytes]:
        if len(line) > 100_000:
            yield line
            return
        while len(line) > 2 and self.random.random() < 0.6:
            place = self.random.randrange(1, len(line))
            yield line[:place]
            line = line[place:]
        yield line

    # What happens in them

    def put(self, cluster: str, namespace: str, name: str, facts: dict[str, Any]) -> JsonObject:
        """Create or change an object; age 0 makes it another one of that name."""
        member = self.member(cluster)
        known = member.objects.get((namespace, name))
        if known is not None and facts["age"] == 0:
            member.delete(name, namespace)
            known = None
        if known is None:
            self._uids += 1
            created = 1_700_000_000 + facts["age"]
            known = pod(name, namespace, uid=f"uid-{self._uids}", created=created)
        obj = copy.deepcopy(known)
        if facts["tier"]:
            obj["metadata"]["labels"] = {"tier": facts["tier"]}
        else:
            obj["metadata"].pop("labels", None)
        obj["spec"]["nodeName"] = facts["node"]
        obj["status"] = {"phase": facts["phase"], **({"message": "x" * 30_000} if facts["fat"] else {})}
        return member.put(obj)

    def delete(self, cluster: str, namespace: str, name: str) -> None:
        if (namespace, name) in self.member(cluster).objects:
            self.member(cluster).delete(name, namespace)

    def erase(self, cluster: str, namespace: str, name: str, how: str) -> JsonObject:
        """Delete an object as a kube-apiserver does, and return what that answers.

        "graceful": it lives on for a while. "forced": it is marked, then removed. "overtaken": the same, but somebody
        else removed it, so that the answer is the mark. "plain": nothing but a Status is answered.
        """
        member = self.member(cluster)
        known = member.objects.get((namespace, name))
        if known is None or how == "plain":
            self.delete(cluster, namespace, name)
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        marks = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30 * (how == "graceful")}
        answer = member.put({**known, "metadata": known["metadata"] | marks})
        if how != "graceful":
            member.delete(name, namespace)
        return copy.deepcopy(member.log[-1][2]) if how == "forced" else answer

    def heal(self) -> None:
        for cluster in self.of:
            self.cure(cluster)

    def cure(self, cluster: str) -> None:
        self.start(cluster)
        self.thaw(cluster)
        member = self.of[cluster]
        member.served = True
        member.latency = 0.1
        member.faults.clear()

    # What goes wrong with them

    def start(self, cluster: str) -> None:
        self.down_since.pop(cluster, None)
        self.member(cluster).start()

    def stop(self, cluster: str) -> None:
        self.frozen_since.pop(cluster, None)
        self.down_since.setdefault(cluster, asyncio.get_running_loop().time())
        self.member(cluster).stop()

    def freeze(self, cluster: str) -> None:
        self.frozen_since.setdefault(cluster, asyncio.get_running_loop().time())
        self.member(cluster).freeze()

    def thaw(self, cluster: str) -> None:
        self.frozen_since.pop(cluster, None)
        self.member(cluster).thaw()

    @property
    def unheard_since(self) -> dict[str, float]:
        """Who does not answer, and since when at the latest."""
        return self.frozen_since | self.down_since

    async def flap(self, cluster: str) -> None:
        for pause in (0.0, 0.3, 1.5, 0.0, 1.2):
            self.stop(cluster)
            await asyncio.sleep(pause)
            self.start(cluster)
            await asyncio.sleep(0.2)

    def backup(self, cluster: str) -> None:
        self._backups[cluster] = self.member(cluster).backup()

    async def restore(self, cluster: str, outage: float) -> None:
        """Go back to the backup; what is written then gets versions that were issued before."""
        if cluster not in self._backups:
            return
        self.stop(cluster)
        self.doubtful.add(cluster)
        await asyncio.sleep(outage)
        member = self.member(cluster)
        revision = self._backups[cluster][0]
        lost = [obj for version, event_type, obj in member.log if version > revision and event_type != "DELETED"]
        member.restore(self._backups[cluster])
        if self.random.random() < 0.5:
            self._repeat_otherwise(member, lost)

    def _repeat_otherwise(self, member: FakeMember, lost: list[JsonObject]) -> None:
        """The same objects change again, to other states of the same versions."""
        for obj in lost:
            known = member.objects.get((obj["metadata"]["namespace"], obj["metadata"]["name"]))
            if known is not None:
                other = "Running" if obj["status"]["phase"] == "Failed" else "Failed"
                member.put({**known, "status": {"phase": other}})

    async def replace(self, cluster: str, outage: float, revision: int) -> None:
        """Another, empty cluster stands where this one stood."""
        self.stop(cluster)
        self.doubtful.add(cluster)
        await asyncio.sleep(outage)
        self.member(cluster).restore((revision, {}))
        self._backups.pop(cluster, None)

    def fault(self, fault: str, cluster: str) -> None:
        member = self.member(cluster)
        match fault:
            case "freeze":
                self.freeze(cluster)
            case "thaw":
                self.thaw(cluster)
            case "mute":
                member.mute()
            case "cut":
                member.send_raw(b'{"type":"ADDED","obj')
                member.end_watches()
            case "break":
                member.send_raw(b'{"type":"DELETED","object":{"metadata":{"name":"web","namesp')
                member.end_watches(Unavailable("connection reset"))
            case "nonsense":
                member.send_raw(b'{"type":"ADDED","object":{"metadata":{"name":"web"\n')
            case "end":
                member.end_watches()
            case "gone":
                member.send_raw(_status(410))
                member.end_watches()
            case "error":
                member.send_raw(_status(500))
                member.end_watches()
            case "compact":
                member.compact()
            case "giant":
                for _ in range(LINE_LIMIT // len(_LINE_PIECE) + 2):
                    member.send_raw(_LINE_PIECE)
            case "shorten":
                member.faults += [b"]" * self.random.choice((1, 2, 40)) for _ in range(self.random.randint(1, 3))]
            case "refuse":
                member.faults += [Unavailable("429 too many requests", 2.0)] * self.random.randint(1, 4)
            case "slow":
                member.latency = self.random.choice((0.0, 2.0, 10.0, 40.0))
            case "unserve":
                member.served = False
                self.doubtful.add(cluster)
                member.end_watches()
            case "serve":
                member.served = True
            case _:
                self._repeat(fault, member)

    def _repeat(self, fault: str, member: FakeMember) -> None:
        """The watch says what it said before."""
        if not member.log:
            return
        newest = member.log[-1]
        match fault:
            case "duplicate":
                member.send_raw(_line(newest[1], newest[2]))
            case "backward":
                _, event_type, obj = member.log[-min(len(member.log), self.random.randint(2, 5))]
                member.send_raw(_line(event_type, obj))
            case "early bookmark":
                version = str(newest[0] - self.random.randint(1, 5))
                member.send_raw(_line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": version}}))
            case _:
                raise ValueError(fault)

    # What must be served

    def served(self) -> dict[str, tuple[str, str]]:
        """The key of every object, with the cluster and uid of what stands under it."""
        members = {cluster: self.of[cluster] for cluster in sorted(self.joined) if self.of[cluster].served}
        literals = {key for member in members.values() for key in member.objects}
        served: dict[str, tuple[str, str]] = {}
        for namespace, name in literals:
            holders = sorted(
                (obj["metadata"]["creationTimestamp"], cluster, obj["metadata"]["uid"])
                for cluster, member in members.items()
                if (obj := member.objects.get((namespace, name)))
            )
            for position, (_, cluster, uid) in enumerate(holders):
                served_name = name if position == 0 else f"{name}.{cluster}"
                while position and (namespace, served_name) in literals:
                    served_name += f".{uid}"
                served[f"{namespace}/{served_name}"] = cluster, uid
        return served

    def truth(self, cluster: str, uid: str) -> JsonObject:
        return next(obj for obj in self.of[cluster].objects.values() if obj["metadata"]["uid"] == uid)


def _line(event_type: str, obj: JsonObject) -> bytes:
    return json.dumps({"type": event_type, "object": obj}).encode() + b"\n"


def _status(code: int) -> bytes:
    return _line("ERROR", {"kind": "Status", "code": code, "message": "it went wrong"})
