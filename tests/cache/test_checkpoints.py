import itertools

import pytest

from cache.checkpoints import GRACE, KEPT, Checkpoint, CheckpointLog, MemberPosition, Published, includes
from cache.resource_version import SLOTS, TICKS

SECOND = TICKS * SLOTS
START = 1_000_000 * SECOND


def at(
    low: int, high: int | None = None, *, confirmed: int = 1_000, listed: int = 0, identity: str = ""
) -> MemberPosition:
    return MemberPosition(identity, low, low if high is None else high, confirmed, listed)


def log(*checkpoints: dict[str, MemberPosition] | None, floor: int = 0) -> CheckpointLog:
    """One checkpoint a second, the first at START."""
    taken = CheckpointLog()
    for number, members in enumerate(checkpoints):
        taken.add(START + number * SECOND, members)
    return taken


def base(own: CheckpointLog, seen: dict[str, MemberPosition] | None, floor: int = 0) -> int | None:
    """Which of ours is gone on from, counted from the first."""
    found = own.base(Checkpoint(START, seen), floor)
    return None if found is None else (found.rv - START) // SECOND


def test_a_client_goes_on_from_the_newest_checkpoint_that_told_nothing_it_has_not_seen():
    own = log({"a": at(10), "b": at(50)}, {"a": at(20), "b": at(60)}, {"a": at(30), "b": at(61)})
    assert base(own, {"a": at(30), "b": at(61)}) == 2
    assert base(own, {"a": at(29), "b": at(90)}) == 1
    assert base(own, {"a": at(99), "b": at(50)}) == 0
    assert base(own, {"a": at(99), "b": at(49)}) is None


def test_bookmarks_that_came_later_do_not_count():
    """What was told decides, not up to where nothing more was said to have happened."""
    own = log({"a": at(10, high=10)}, {"a": at(500, high=10)})
    assert base(own, {"a": at(10)}) == 1


def test_our_own_writes_that_were_told_before_their_events_count():
    own = log({"a": at(10, high=10)}, {"a": at(11, high=40)})
    assert base(own, {"a": at(39)}) == 0
    assert base(own, {"a": at(40)}) == 1


def test_other_members_than_ours_prove_nothing():
    own = log({"a": at(10), "b": at(10)})
    assert base(own, {"a": at(10)}) is None, "of b the client knows nothing"
    assert base(own, {"a": at(10), "b": at(10), "c": at(1)}) is None, "of c we know nothing"
    assert base(own, {"a": at(10), "b": at(10, identity="another")}) is None
    assert base(own, None) is None
    assert base(log(None), {"a": at(10)}) is None


def test_a_member_that_nobody_read_is_the_same_to_both():
    own = log({"a": at(10), "down": at(0)})
    assert base(own, {"a": at(10), "down": at(0, confirmed=0)}) == 0
    assert base(own, {"a": at(10), "down": at(5)}) is None
    assert base(log({"down": at(5)}), {"down": at(0)}) is None


def test_what_was_listed_here_must_have_been_heard_of_there_later():
    own = log({"a": at(10, listed=1_000)})
    assert base(own, {"a": at(60, confirmed=1_005)}) is None, "of a restored member 60 may be older than 10"
    assert base(own, {"a": at(60, confirmed=1_011)}) == 0


def test_nobody_goes_on_from_before_a_list_or_from_what_history_has_forgotten():
    own = log({"a": at(10)}, {"a": at(20)})
    assert base(own, {"a": at(15)}) == 0
    assert base(own, {"a": at(15)}, floor=START + 1) is None
    own.cut(START + 2 * SECOND)
    assert base(own, {"a": at(15)}) is None
    own.add(START + 2 * SECOND, {"a": at(30)})
    assert base(own, {"a": at(15)}) is None
    assert base(own, {"a": at(30)}) == 2


def test_a_list_that_finds_nothing_new_cuts_off_what_was_before_all_the_same():
    own = log({"a": at(10)})
    own.cut(START)
    own.add(START, {"a": at(30)})
    assert base(own, {"a": at(15)}) is None
    assert base(own, {"a": at(30)}) == 0


def test_what_a_client_has_seen_is_told_by_the_checkpoint_before():
    said = log({"a": at(10)}, {"a": at(20)}, None, {"a": at(40)}).published(START + 4 * SECOND)

    def low(rv: int) -> int | None:
        seen = said.before(rv)
        return None if seen is None or seen.members is None else seen.members["a"].low

    assert low(START - 1) is None
    assert low(START) == 10
    assert low(START + SECOND - 1) == 10
    assert low(START + SECOND) == 20
    assert low(START + 2 * SECOND) is None, "nothing certain was said of that time"
    assert low(START + 3 * SECOND + 5) == 40
    assert low(said.through + GRACE) == 40
    assert low(said.through + GRACE + 1) is None, "more may have happened since it was last heard of"


def test_the_first_checkpoint_after_a_version_tells_all_that_was_told_up_to_it():
    said = log({"a": at(10)}, None, {"a": at(40)}).published(START + 9 * SECOND)
    assert said.after(START - 5) is not None
    found = said.after(START + 1)
    assert found is not None
    assert found.rv == START + 2 * SECOND
    assert said.after(START + 3 * SECOND) is None


def test_not_older_than_means_everything_told_there_is_known_here():
    told = {"a": at(10, high=15)}
    assert includes({"a": at(15), "more": at(1)}, told)
    assert not includes({"a": at(14)}, told)
    assert not includes({}, told)
    assert not includes({"a": at(15, identity="another")}, told)


def test_a_log_keeps_the_last_moments_densely_and_barriers_always():
    own = CheckpointLog()
    for second in range(1_000):
        if second == 900:
            own.cut(START + second * SECOND)
        own.add(START + second * SECOND, {"a": at(second)})
    kept = [(checkpoint.rv - START) // SECOND for checkpoint in own.published(0).checkpoints]
    assert kept[-21:] == list(range(979, 1_000))
    assert len(kept) < 60
    assert 900 in kept
    assert kept[0] <= (999 * SECOND - KEPT) // SECOND
    assert max(later - earlier for earlier, later in itertools.pairwise(kept)) <= 11


def test_of_a_quiet_resource_the_last_checkpoint_stays():
    own = CheckpointLog()
    own.add(START, {"a": at(1)})
    own.add(START + 3 * KEPT, {"a": at(2)})
    seen = own.published(START + 3 * KEPT).before(START + 3 * KEPT - 1)
    assert seen is not None
    assert seen.rv == START


def test_at_the_same_version_a_later_checkpoint_says_more():
    own = log({"a": at(10)})
    own.add(START, {"a": at(90, high=10)})
    assert [checkpoint.members for checkpoint in own.published(START).checkpoints] == [{"a": at(90, high=10)}]


def test_what_the_run_before_said_is_said_of_its_versions_only():
    former = log({"a": at(10)}, {"a": at(20)}).published(START).checkpoints
    own = CheckpointLog()
    own.add(START + 5 * SECOND, None)
    own.remember([*former, Checkpoint(START + 6 * SECOND, {"a": at(99)})])
    own.add(START + 8 * SECOND, {"a": at(20)})
    said = own.published(START + 8 * SECOND)
    assert said.before(START + 2 * SECOND) == former[-1]
    assert said.before(START + 6 * SECOND) is None
    assert said.before(START + 9 * SECOND) == Checkpoint(START + 8 * SECOND, {"a": at(20)})


@pytest.mark.parametrize("version", [0, 5, START])
def test_who_says_nothing_proves_nothing(version):
    assert Published(START, ()).before(version) is None
    assert Published(START, ()).after(version) is None
