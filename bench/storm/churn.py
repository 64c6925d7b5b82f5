"""Changes of every kind at a steady rate, made past a server, and the truth that follows from them."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping

from bench import corpus
from bench.servers import Source

STAYS = 0
"""The index of a Pod that is never deleted."""
LISTED_NAMESPACE = corpus.NAMESPACES[3]
LISTED_LABEL = "shard=s07"
_SHOWN: Mapping[str, Callable[[int], bool]] = {
    "namespace": lambda index: corpus.namespace(index) == LISTED_NAMESPACE,
    "label": lambda index: index % corpus.SHARDS == 7,
}
_KINDS = ("modify", "create", "delete", "replace")
_WEIGHTS = (70, 10, 10, 10)
_SEED = 1


class Churn:
    """Changes the Pods behind one server, and knows what a client of it must see."""

    def __init__(self, source: Source, pods: int) -> None:
        """Of `source`, which holds the Pods below that index, none changed so far."""
        self._source = source
        self._random = random.Random(_SEED)
        self._states = dict.fromkeys(range(pods), (0, corpus.UNSENT))
        """By index: the number of its life, and what its annotation says."""
        self._order = list(self._states)
        self._next = pods

    def run(self, rate: float, seconds: float, tick: Callable[[float], None] = lambda _: None) -> float:
        """Change at that rate; the rate that was reached. `tick` is told the seconds since the beginning."""
        started = time.monotonic()
        made = 0
        while made < rate * seconds:
            now = time.monotonic() - started
            if now < made / rate:
                time.sleep(made / rate - now)
            tick(now)
            made += self._change()
        return made / (time.monotonic() - started)

    def _change(self) -> int:
        """Make one change, or the two of a Pod that is replaced under its name; how many."""
        match self._random.choices(_KINDS, _WEIGHTS)[0]:
            case "create":
                index, self._next = self._next, self._next + 1
                self._order.append(index)
                self._put(index, life=0)
            case "delete":
                at = self._random.randrange(1, len(self._order))
                self._order[at], self._order[-1] = self._order[-1], self._order[at]
                index = self._order.pop()
                del self._states[index]
                self._source.delete(index)
            case "replace":
                index = self._order[self._random.randrange(1, len(self._order))]
                self._source.delete(index)
                self._put(index, life=self._states[index][0] + 1)
                return 2
            case _:
                index = self._random.choice(self._order)
                self._put(index, life=self._states[index][0])
        return 1

    def _put(self, index: int, life: int) -> None:
        sent = str(time.time_ns())
        self._states[index] = life, sent
        self._source.put(index, sent, life)

    def contents(self, kind: str = "") -> set[str]:
        """A line for each Pod that a list of a kind shows: its names, uid and last change."""
        belongs = _SHOWN.get(kind)
        return {
            f"{corpus.namespace(index)}/{corpus.name(index)} {corpus.uid(index, life)} {sent}"
            for index, (life, sent) in self._states.items()
            if belongs is None or belongs(index)
        }

    def digest(self, kind: str = "") -> str:
        """Of these contents, as the clients' program makes it of a store."""
        lines = self.contents(kind)
        total = sum(int.from_bytes(hashlib.sha256(line.encode()).digest()[:8]) for line in lines)
        return f"{len(lines)}-{total % 2**64:016x}"
