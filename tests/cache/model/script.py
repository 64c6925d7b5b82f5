"""What happens in one random history: a list of steps that a seed determines. Pure."""

from dataclasses import dataclass
from random import Random
from typing import Any

from tests.cache.model.members import CLUSTERS, NAMES

Step = tuple[Any, ...]
NAMESPACES = ("default", "default", "default", "other")
_FAULTS = (
    *("stop", "start", "flap", "freeze", "thaw", "cut", "break", "nonsense", "end", "gone", "error", "compact"),
    *("shorten", "refuse", "slow", "mute", "duplicate", "backward", "early bookmark", "start", "thaw"),
)
ERASURES = ("plain", "forced", "overtaken", "graceful")
"""How a member may answer to a deletion."""
ANEW = -1
"""Instead of going on somewhere, a reader begins from nothing."""
_LISTS = (*("go on",) * 5, "exact", "exact", "exact by limit", "not older", "any", "whole")
"""What a reader asks for who lists once."""
_DAWDLING = (0.0, 0.2, 1.0, 4.0, 20.0, 70.0)
"""How long a reader may wait between two pages; at the end the first may be forgotten where history is short."""
_RARE_FAULTS = ("giant", "unserve", "serve", "serve", "outage")
_RETURNS = ("backup", "backup", "restore", "quick restore", "replace", "quick replace", "start", "start")
_PAUSES = (0.0, 0.001, 0.05, 0.15, 0.15, 0.5, 0.5, 1.0, 2.0, 7.0, 100.0)


@dataclass(frozen=True)
class Script:
    """One history."""

    clusters: tuple[str, ...]
    steps: tuple[Step, ...]
    forgetful: bool
    """Whether so little history is kept that clients may have to list anew."""
    tight: bool
    """Whether work is cut into pieces of few objects, so that everything happens in between."""
    returning: bool
    """Whether members go back in time or are replaced."""


def write(seed: int) -> Script:
    random = Random(seed)
    clusters = CLUSTERS[: random.choice((1, 2, 3, 3, 4))]
    returning = random.random() < 0.4
    faulty = random.random() < 0.85
    steps: list[Step] = []
    for _ in range(random.randint(30, 90)):
        steps.append(_step(random, clusters, faulty, returning))
        if returning and random.random() < 0.04:
            steps += _relapse(random, random.choice(clusters))
        if random.random() < 0.06:
            steps += _succession(random, random.choice(clusters))
        if random.random() < 0.02:
            steps += _turnover(random, random.choice(clusters))
        if random.random() < 0.35:
            steps.append(("wait", random.choice(_PAUSES)))
        if random.random() < 0.02:
            steps.append(("calm",))
    steps.append(("calm",))
    return Script(clusters, tuple(steps), random.random() < 0.25, random.random() < 0.5, returning)


def _step(random: Random, clusters: tuple[str, ...], faulty: bool, returning: bool) -> Step:
    cluster = random.choice(clusters)
    chance = random.random()
    if chance < 0.45:
        return _change(random, cluster)
    if chance < 0.63:
        return _reading(random)
    if chance < 0.66:
        return random.choice(("join", "leave", "add again", "join")), cluster
    if chance < 0.69:
        return "burst", cluster, tuple(change_of(random, cluster) for _ in range(random.choice((5, 12, 30))))
    if not faulty:
        return _change(random, cluster)
    if returning and chance < 0.78:
        return random.choice(_RETURNS), cluster
    return random.choice(_FAULTS if chance < 0.97 else _RARE_FAULTS), cluster


def _relapse(random: Random, cluster: str) -> list[Step]:
    """A member loses what it was told in the last second."""
    changes = [change_of(random, cluster) for _ in range(random.randint(1, 3))]
    outage = random.choice(("restore", "quick restore"))
    return [("backup", cluster), *changes, ("wait", 0.5), (outage, cluster), ("start", cluster), ("wait", 3.0)]


def _succession(random: Random, cluster: str) -> list[Step]:
    """An object is deleted and at once made anew, while the member is listed, and the answers come in any order."""
    namespace, name = random.choice(NAMESPACES), random.choice(NAMES)
    facts = {"age": 0, "tier": "1", "phase": "Running", "node": "n1", "fat": False}
    written: list[Step] = [
        ("write", cluster, namespace, name, {**facts, "age": 1}),
        ("erase", cluster, namespace, name, random.choice((*ERASURES, "graceful", "overtaken"))),
        ("write", cluster, namespace, name, facts),
    ]
    steps: list[Step] = [("put", cluster, namespace, name, {**facts, "age": 1}), ("wait", random.choice((0.0, 0.5)))]
    if random.random() < 0.8:
        listed = random.choice(("add again", "add again", "add again", "gone", "compact"))
        written.insert(random.choice((0, 1, 1, 2, 3)), (listed, cluster))
    pauses = random.choice(((0.0,), (0.0, 0.001, 0.05), (0.0, 0.05, 0.1, 0.15)))
    for step in (*written, *[("answer",)] * 4):
        steps += [step, ("wait", random.choice(pauses))]
    return steps


def _turnover(random: Random, cluster: str) -> list[Step]:
    """Between the pages of some readers nearly everything goes, comes or is made anew, and then again."""
    pause = random.choice((0.2, 1.0, 70.0))
    first = tuple(change_of(random, cluster) for _ in range(12))
    steps: list[Step] = [("burst", cluster, first), ("wait", 0.5)]
    steps += [("page", random.randrange(100), pause, "go on") for _ in range(3)]
    steps += [("page", 0, pause, "go on"), ("wait", 0.05)]
    for _ in range(random.choice((2, 3, 5))):
        steps.append(("burst", cluster, tuple(change_of(random, cluster) for _ in range(20))))
        steps.append(("wait", random.choice((0.05, 0.3, 1.0))))
    return [*steps, ("wait", 1.5 * pause)]


def _reading(random: Random) -> Step:
    chance = random.random()
    if chance < 0.5:
        back = random.choice((0, 0, 0, 1, 2, 5, 20, ANEW, ANEW))
        return "break off", random.randrange(100), random.choice((0.0, 0.0, 0.3, 3.0, 40.0)), back
    if chance < 0.8:
        return "page", random.randrange(100), random.choice(_DAWDLING), random.choice(_LISTS)
    return "get", random.choice(NAMESPACES), random.choice((*NAMES, "web.a", "db.b", "db.c", "web.b.c"))


def _change(random: Random, cluster: str) -> Step:
    if random.random() < 0.15:
        return ("answer",)
    return change_of(random, cluster)


def change_of(random: Random, cluster: str) -> Step:
    namespace, name = random.choice(NAMESPACES), random.choice(NAMES)
    chance = random.random()
    if chance < 0.25:
        return "delete", cluster, namespace, name
    if chance < 0.33:
        return "erase", cluster, namespace, name, random.choice(ERASURES)
    facts = {
        "age": random.choice((0, 0, 1, 2, 3)),
        "tier": random.choice(("1", "2", "")),
        "phase": random.choice(("Running", "Failed")),
        "node": random.choice(("n1", "n2", "")),
        "fat": random.random() < 0.1,
    }
    return random.choice(("put", "put", "put", "write")), cluster, namespace, name, facts
