from gateway.simulation.conditions import find_condition, with_condition


def test_a_new_condition_comes_last_with_the_time() -> None:
    first = [{"type": "A", "status": "True", "lastTransitionTime": "t0"}]
    assert with_condition(first, {"type": "B", "status": "False"}, "t1") == [
        *first,
        {"type": "B", "status": "False", "lastTransitionTime": "t1"},
    ]


def test_the_transition_time_moves_with_the_status_alone() -> None:
    before = [{"type": "A", "status": "True", "reason": "x", "lastTransitionTime": "t0"}, {"type": "B"}]
    same = with_condition(before, {"type": "A", "status": "True", "reason": "y"}, "t1")
    assert same == [{"type": "A", "status": "True", "reason": "y", "lastTransitionTime": "t0"}, {"type": "B"}]
    other = with_condition(before, {"type": "A", "status": "False"}, "t1")
    assert other[0] == {"type": "A", "status": "False", "lastTransitionTime": "t1"}


def test_a_condition_is_found_by_its_type() -> None:
    assert find_condition([{"type": "A"}, {"type": "B", "status": "x"}], "B") == {"type": "B", "status": "x"}
    assert find_condition([], "B") is None
