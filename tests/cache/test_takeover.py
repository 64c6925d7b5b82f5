from cache.checkpoints import Checkpoint, MemberPosition
from cache.resource_version import SLOTS, TICKS
from cache.takeover import Takeovers

SECOND = TICKS * SLOTS
START = 1_000_000 * SECOND
MEMBERS = ("a", "b")


class Losses(list[int]):
    def takeovers(self) -> Takeovers:
        takeovers = Takeovers(self.append)
        takeovers.active = True
        return takeovers


def test_a_list_before_a_member_caught_up_loses_those_who_came_since():
    lost = Losses()
    takeovers = lost.takeovers()
    takeovers.take_over(START, START - 5, MEMBERS)
    takeovers.take_over(START + 9, START - 5, MEMBERS)
    takeovers.missed("a", START + 20)
    assert lost == [START]
    takeovers.missed("a", START + 30)
    assert lost == [START], "nobody is ahead of what was listed"
    takeovers.missed("b", START + 40)
    assert lost == [START, START]


def test_a_member_has_caught_up_with_those_who_came_before_it_was_asked():
    lost = Losses()
    takeovers = lost.takeovers()
    takeovers.take_over(START, START - 5, MEMBERS)
    takeovers.caught_up("a", START + 10)
    assert takeovers.ahead_since("a") == START, "it was asked before the client came"
    takeovers.asked("a")
    takeovers.take_over(START + 50, START + 40, MEMBERS)
    assert takeovers.ahead_since("a") == START
    takeovers.caught_up("a", START + 52)
    assert takeovers.ahead_since("a") == START + 50
    takeovers.asked("a")
    takeovers.caught_up("a", START + 54)
    assert takeovers.ahead_since("a") is None
    assert takeovers.unproven_since == START, "of b nothing is known yet"
    takeovers.missed("a", START + 60)
    assert lost == []


def test_what_those_who_are_ahead_may_know_of_an_object_before_it_comes():
    """It matters after a restart, which is told only that the object came and went."""
    takeovers = Losses().takeovers()
    assert takeovers.known_since("a", START + 1) == START + 1
    takeovers.take_over(START, START - 5, MEMBERS)
    assert takeovers.known_since("a", START - 1) == START - 1
    assert takeovers.known_since("a", START + 10) == START
    takeovers.asked("a")
    takeovers.caught_up("a", START + 20)
    assert takeovers.known_since("a", START + 10) == START, "it is asked about a moment later"
    assert takeovers.known_since("a", START + 30) == START + 30
    later = START + 700 * SECOND
    takeovers.take_over(later, later - 5, MEMBERS)
    takeovers.asked("a")
    takeovers.caught_up("a", later + 20)
    assert takeovers.known_since("a", later - 1) == later - 1
    assert takeovers.known_since("a", later + 10) == later


def test_a_member_that_comes_soon_after_loses_clients():
    lost = Losses()
    takeovers = lost.takeovers()
    takeovers.joined(START - 10)
    assert lost == []
    takeovers.take_over(START, START - 5, MEMBERS)
    takeovers.joined(START + 100 * SECOND)
    assert lost == [START]
    takeovers.joined(START + 700 * SECOND)
    assert lost == [START]


def test_names_that_depend_on_whose_news_came_first_lose_clients():
    for first, second, conflict in (
        ("web", "web", True),
        ("web", "web.a", True),
        ("web.a", "web", True),
        ("web", "db", False),
        ("web", "webs", False),
    ):
        lost = Losses()
        takeovers = lost.takeovers()
        takeovers.take_over(START, START - 5, MEMBERS)
        takeovers.touch("a", "default", first, START + 1)
        takeovers.touch("a", "default", first, START + 2)
        takeovers.touch("b", "default", second, START + 3)
        assert bool(lost) == conflict, (first, second)


def test_an_order_that_was_settled_before_a_client_came_does_no_harm():
    lost = Losses()
    takeovers = lost.takeovers()
    takeovers.touch("a", "default", "web", START)
    takeovers.take_over(START + 9, START + 5, MEMBERS)
    takeovers.touch("b", "default", "web", START + 10)
    assert lost == []
    seen = Checkpoint(START, {"a": MemberPosition("", 9, 9, 99)})
    takeovers.log.add(START - 1, {"a": MemberPosition("", 9, 9, 99)})
    assert takeovers.base(seen, 0) is None, "from there on both came, and elsewhere perhaps the other way round"
    takeovers.log.add(START + 1, {"a": MemberPosition("", 9, 9, 99)})
    assert takeovers.base(seen, 0) is not None


def test_what_came_and_went_long_ago_is_forgotten():
    takeovers = Losses().takeovers()
    for minute in range(60):
        takeovers.touch("a", "default", f"pod-{minute}", START + minute * 60 * SECOND)
    assert len(takeovers._touched) + len(takeovers._touched_before) < 15


def test_a_list_ends_the_era():
    takeovers = Losses().takeovers()
    takeovers.log.add(START, {})
    takeovers.missed("a", START + 5)
    assert takeovers.base(Checkpoint(START, {}), 0) is None
    assert takeovers.era is None
