from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulation.propagation.division import (
    divide,
    is_propagated,
    member_deployment,
    replicas_of,
    says_the_same,
)
from tests.gateway.simulation.builders import deployment


@pytest.mark.parametrize(
    ("replicas", "members", "shares"), [(5, 2, [3, 2]), (1, 2, [1, 0]), (0, 2, [0, 0]), (8, 3, [3, 3, 2]), (4, 1, [4])]
)
def test_replicas_are_divided_equally_the_rest_to_the_first(replicas: int, members: int, shares: list[int]) -> None:
    assert divide(replicas, members) == shares


@given(st.integers(0, 1000), st.integers(1, 9))
def test_no_replica_is_lost_and_no_member_has_two_more_than_another(replicas: int, members: int) -> None:
    shares = divide(replicas, members)
    assert sum(shares) == replicas
    assert max(shares) - min(shares) <= 1


def test_a_member_gets_its_share_and_nothing_of_the_servers() -> None:
    federated = deployment(replicas=5) | {"status": {"replicas": 5}}
    federated["metadata"] |= {
        "generation": 7,
        "resourceVersion": "1",
        "managedFields": [],
        "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    assert replicas_of(federated, 0, 2) == 3
    part = member_deployment(federated, 3)
    assert part["metadata"] == {
        "name": "web",
        "namespace": "default",
        "labels": {"app": "web", "simulation.fleetgate.io/propagated": "true"},
        "annotations": {"a": "b", "simulation.fleetgate.io/generation": "7"},
    }
    assert part["spec"] == {**federated["spec"], "replicas": 3}
    assert "status" not in part
    assert is_propagated(part)
    assert not is_propagated(federated)


def test_replicas_that_are_not_said_are_one() -> None:
    federated = deployment()
    del federated["spec"]["replicas"]
    assert [replicas_of(federated, index, 2) for index in (0, 1)] == [1, 0]


def test_only_what_is_wanted_is_compared() -> None:
    wanted = member_deployment(deployment(), 2)
    current = deepcopy(wanted) | {"status": {"replicas": 1}}
    current["metadata"] |= {"uid": "u", "resourceVersion": "9"}
    current["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "2"
    assert says_the_same(current, wanted)
    scaled = deepcopy(current)
    scaled["spec"]["replicas"] = 9
    assert not says_the_same(scaled, wanted)
    labelled = deepcopy(current)
    labelled["metadata"]["labels"]["stale"] = "x"
    assert not says_the_same(labelled, wanted)
    older = deepcopy(current)
    older["metadata"]["annotations"]["simulation.fleetgate.io/generation"] = "0"
    assert not says_the_same(older, wanted)
