"""What the merged view was at every version, as one undisturbed watch tells it, and what readers say they saw of it.

Claims are judged at the end, when the timeline reaches as far as every reader came.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from cache.merged_resource import MergedResource
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.options import parse_list_options
from tests.support.merged_frames import merged_frame

Store = Mapping[str, bytes]
"""Objects by namespace and name, as the bytes that were served."""
Wanted = Callable[[JsonObject], bool]


class Frame(msgspec.Struct):
    """One line of a watch, its object as the bytes that were sent."""

    type: str
    object: msgspec.Raw


_frame_decoder = msgspec.json.Decoder(Frame)


def read_frame(line: bytes) -> tuple[str, bytes, JsonObject]:
    """The type of an event, its object as it was sent, and what that says."""
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    frame = _frame_decoder.decode(line)
    return frame.type, bytes(frame.object), json.loads(bytes(frame.object))


def key_of(obj: JsonObject) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def version_of(obj: JsonObject) -> int:
    return int(obj["metadata"]["resourceVersion"])


def but_for_version(body: bytes) -> JsonObject:
    obj: JsonObject = json.loads(body)
    del obj["metadata"]["resourceVersion"]
    return obj


@dataclass
class Claim:
    """A reader saw exactly this at a version."""

    who: str
    version: int
    seen: Store
    wanted: Wanted
    after: str = ""
    """Keys up to here were left out."""
    up_to: str = "\U0010ffff"
    remaining: int | None = None
    """How many of those that are wanted lie behind `up_to`, by what was said."""
    promised: Wanted | None = None
    """Of what there is more behind `up_to`, by what was said."""


@dataclass
class Timeline:
    """Mutable state: the events, and where the witness had to begin anew because the history is kept short."""

    resource: MergedResource
    events: list[tuple[int, str, str, bytes]] = field(default_factory=list)
    beginnings: list[tuple[int, Store]] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    version: int = 0

    async def witness(self) -> None:
        """Watch everything from the beginning to the end of the test."""
        while True:
            listed = await self.resource.list("", parse_list_options({}, watch=False))
            self.state = {obj.key: self.resource.object(obj) for obj in listed.items}
            self.version = int(listed.resource_version)
            self.beginnings.append((self.version, dict(self.state)))
            query = {"resourceVersion": listed.resource_version}
            watcher = await self.resource.watch("", parse_list_options(query, watch=True), timeout=1e9)
            while batch := await watcher.next_batch():
                if batch[-1].type == "ERROR":
                    break
                for event in batch:
                    self._apply(*read_frame(merged_frame(self.resource, event)))

    def _apply(self, event_type: str, body: bytes, obj: JsonObject) -> None:
        key, version = key_of(obj), version_of(obj)
        assert version > self.version, f"version {version} after {self.version}"
        known = self.state.get(key)
        if event_type == "ADDED":
            assert known is None, f"{key} was added twice"
        else:
            assert known is not None, f"{event_type} of unknown {key}"
            assert json.loads(known)["metadata"]["uid"] == obj["metadata"]["uid"]
        if event_type == "DELETED":
            assert known is not None
            assert but_for_version(known) == but_for_version(body), f"the last state of {key} is another one"
            del self.state[key]
        else:
            self.state[key] = body
        self.version = version
        self.events.append((version, event_type, key, body))

    def judge(self) -> int:
        """Compare every claim with what the view was; returns how many could be judged."""
        claims = sorted(self.claims, key=lambda claim: claim.version)
        starts = [version for version, _ in self.beginnings]
        ends = [*(version for version, _ in self.beginnings[1:]), self.version + 1]
        judged = position = 0
        state: dict[str, JsonObject] = {}
        bodies: dict[str, bytes] = {}
        segment = -1
        for claim in claims:
            found = bisect_right(starts, claim.version) - 1
            if found < 0 or claim.version >= ends[found]:
                continue
            if found != segment:
                segment = found
                bodies = dict(self.beginnings[found][1])
                state = {key: json.loads(body) for key, body in bodies.items()}
                position = bisect_right(self.events, starts[found], key=lambda event: event[0])
            while position < len(self.events) and self.events[position][0] <= claim.version:
                _, event_type, key, body = self.events[position]
                if event_type == "DELETED":
                    del bodies[key], state[key]
                else:
                    bodies[key], state[key] = body, json.loads(body)
                position += 1
            last = self.events[position - 1][0] if position else starts[0]
            if segment < len(starts) - 1 and last < claim.version:
                continue  # the witness was behind when it lost the thread, so it does not know
            self._compare(claim, bodies, state)
            judged += 1
        return judged

    def _compare(self, claim: Claim, bodies: Store, state: Mapping[str, JsonObject]) -> None:
        wanted = {key for key, obj in state.items() if key > claim.after and claim.wanted(obj)}
        expected = {key: bodies[key] for key in wanted if key <= claim.up_to}
        assert dict(claim.seen) == expected, (
            f"{claim.who} at {claim.version}: "
            f"missing {sorted(expected.keys() - claim.seen.keys())}, "
            f"too many {sorted(claim.seen.keys() - expected.keys())}, "
            f"other bytes {sorted(key for key in expected if claim.seen.get(key, expected[key]) != expected[key])}"
        )
        if claim.promised is not None:
            rest = [obj for key, obj in state.items() if key > claim.up_to and claim.promised(obj)]
            assert rest, f"{claim.who} at {claim.version}: more was promised after {claim.up_to}"
        if claim.remaining is not None:
            assert claim.remaining == len(wanted) - len(expected), f"{claim.who}: remainingItemCount"
