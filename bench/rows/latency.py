"""How long a change in a member is under way to a client of the gateway, beside a watch on that member."""

import select
import time

from bench import corpus
from bench.client import Connection
from bench.operations import PODS
from bench.result import Goal, Line, Spread
from bench.stage import Stage

_CHANGES = 100
_MERGE_PATCH = "application/merge-patch+json"


def change_to_event(stage: Stage) -> list[Line]:
    """Patch a Pod of the real member; both watches are read by one loop."""
    member, gateway = stage.real.member, stage.gateway.target
    with (
        Connection(member.endpoint) as writer,
        Connection(member.endpoint) as direct,
        Connection(gateway.endpoint) as merged,
    ):
        for watch in (direct, merged):
            version = watch.json("GET", f"{PODS}?limit=1")["metadata"]["resourceVersion"]
            watch.send("GET", f"{PODS}?watch=true&resourceVersion={version}")
        time.sleep(0.5)
        found = [_patch_and_wait(writer, (direct, merged)) for _ in range(_CHANGES)]
    theirs, ours = (Spread.of([pair[which] * 1e3 for pair in found]) for which in (0, 1))
    goal = Goal("<= 2 x the member's", at_least=0.5, of_ratio=True)
    return [Line("member change to event", "p50", "ms", theirs, ours, goal, "kube-apiserver: a watch on the member")]


def _patch_and_wait(writer: Connection, watches: tuple[Connection, ...]) -> list[float]:
    sent = time.time_ns()
    body = b'{"metadata":{"annotations":{"%s":"%d"}}}' % (corpus.SENT.encode(), sent)
    started = time.perf_counter()
    writer.send("PATCH", corpus.path(1), {"Content-Type": _MERGE_PATCH}, body)
    marker = b'"%d"' % sent
    seconds: dict[Connection, float] = {}
    tails = dict.fromkeys(watches, b"")
    while len(seconds) < len(watches):
        ready, _, _ = select.select([watch.socket for watch in watches], [], [], 30)
        if not ready:
            raise TimeoutError("no event within 30 s")
        for watch in watches:
            if watch.socket in ready:
                tails[watch] = tails[watch][-len(marker) :] + _pending(watch)
                if marker in tails[watch]:
                    seconds.setdefault(watch, time.perf_counter() - started)
    writer.answer()
    return [seconds[watch] for watch in watches]


def _pending(watch: Connection) -> bytes:
    data = watch.socket.recv(1 << 20)
    while watch.socket.pending():
        data += watch.socket.recv(1 << 20)
    return data
