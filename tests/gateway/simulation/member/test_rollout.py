"""Rolling updates by numbers alone: the limits hold at every step, and every update comes to its end."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.apimachinery.meta import JsonObject
from gateway.simulation.member.rollout import (
    Replicas,
    RolloutLimits,
    limits,
    next_new_replicas,
    next_old_replicas,
    recreates,
)
from tests.gateway.simulation.builders import deployment


def updated(replicas: int, surge: Any, unavailable: Any) -> JsonObject:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return deployment(replicas=replicas, strategy=strategy)


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (updated(5, "25%", "25%"), RolloutLimits(5, 2, 1)),
        (updated(10, 3, 2), RolloutLimits(10, 3, 2)),
        (updated(3, 0, "10%"), RolloutLimits(3, 0, 1)),
        (updated(2, 0, 9), RolloutLimits(2, 0, 2)),
        (updated(0, "25%", "25%"), RolloutLimits(0, 0, 0)),
        (deployment(replicas=4, strategy={"type": "Recreate"}), RolloutLimits(4, 0, 0)),
    ],
)
def test_the_limits_round_the_surge_up_and_what_may_be_missing_down(obj: JsonObject, expected: RolloutLimits) -> None:
    assert limits(obj) == expected


def test_the_limits_in_words() -> None:
    bounds = RolloutLimits(5, 2, 1)
    assert (bounds.most, bounds.least_available) == (7, 4)
    assert not recreates(deployment())


def test_unavailable_old_replicas_go_first() -> None:
    old = [Replicas("a", 2, 2, 2), Replicas("b", 2, 2, 0)]
    assert next_old_replicas(RolloutLimits(3, 1, 1), Replicas("n", 1, 1, 1), old, recreate=False) == {"a": 1, "b": 0}


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    bounds = RolloutLimits(3, 0, 0)
    new, old = Replicas("n", 0), [Replicas("a", 3, 3, 3)]
    assert next_new_replicas(bounds, new, old, recreate=True) == 0
    assert next_old_replicas(bounds, new, old, recreate=True) == {"a": 0}
    assert next_new_replicas(bounds, new, [Replicas("a", 0, 1)], recreate=True) == 0
    assert next_new_replicas(bounds, new, [Replicas("a", 0)], recreate=True) == 3


def test_a_deployment_that_shrinks_shrinks_its_newest_replica_set() -> None:
    assert next_new_replicas(RolloutLimits(2, 1, 0), Replicas("n", 5, 5, 5), [], recreate=False) == 2


@given(
    desired=st.integers(0, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    old=st.lists(st.integers(0, 6), max_size=3),
    broken=st.booleans(),
)
def test_a_rolling_update_keeps_its_limits_and_ends(
    desired: int, surge: int, unavailable: int, old: list[int], broken: bool
) -> None:
    bounds = limits(updated(desired, surge, unavailable))
    newest = Replicas("new", 0)
    # One of the old ReplicaSets may be broken: none of its replicas ever becomes available.
    older = [Replicas(f"old-{i}", n, n, 0 if broken and i == 0 else n) for i, n in enumerate(old)]
    most = max(bounds.most, sum(old))
    least = min(bounds.least_available, sum(each.available for each in older))
    for _ in range(200):
        wanted = next_new_replicas(bounds, newest, older, recreate=False)
        if wanted != newest.wanted:
            newest = Replicas("new", wanted, wanted, min(newest.available, wanted))
        elif shrunk := next_old_replicas(bounds, newest, older, recreate=False):
            older = [_shrunk(each, shrunk.get(each.name, each.wanted)) for each in older]
        elif newest.available < newest.wanted:
            newest = Replicas("new", newest.wanted, newest.wanted, newest.available + 1)
        else:
            break
        assert newest.wanted + sum(each.wanted for each in older) <= most
        assert newest.available + sum(each.available for each in older) >= least
        least = min(bounds.least_available, max(least, newest.available + sum(each.available for each in older)))
    assert newest.wanted == newest.available == desired
    assert not any(each.wanted for each in older)


def _shrunk(each: Replicas, wanted: int) -> Replicas:
    """A ReplicaSet loses those first that are not available, as ReplicaSets do."""
    return Replicas(each.name, wanted, wanted, min(each.available, wanted))
