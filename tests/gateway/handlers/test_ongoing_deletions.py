from gateway.handlers.ongoing_deletions import OngoingDeletions


def test_a_deletion_takes_for_gone_what_earlier_ones_delete() -> None:
    deletions = OngoingDeletions()
    first, second = deletions.begin(), deletions.begin()
    first.of({"a", ""})
    second.of({"b"})
    assert first.gone == {"a"}, "only one of two is to give way"
    assert second.gone == {"a", "b"}
    first.end()
    assert second.gone == {"a", "b"}, "what the store was asked may be older than the end of the first"
    assert len(deletions) == 1


def test_what_is_gone_is_put_together_once_until_more_is() -> None:
    deletion = OngoingDeletions().begin()
    deletion.of({"a"})
    before = deletion.gone
    deletion.of({"a"})
    assert deletion.gone is before, "thousands of objects of one request ask for it in turn"
    deletion.of({"b"})
    assert deletion.gone == {"a", "b"}


def test_what_is_said_twice_looks_at_nobody_again() -> None:
    deletions = OngoingDeletions()
    first, second = deletions.begin(), deletions.begin()
    first.of({"a"})
    second.of({"b"})
    first.of({"a"})
    assert first.gone == {"a"}
    first.of({"a", "its instance"})
    assert first.gone == {"a", "its instance", "b"}


def test_nobody_looks_at_a_dry_run_but_it_looks_at_others() -> None:
    deletions = OngoingDeletions()
    tried, meant = deletions.begin(dry_run=True), deletions.begin()
    tried.of({"a"})
    meant.of({"b"})
    assert meant.gone == {"b"}
    tried.of({"c"})
    assert tried.gone == {"a", "b", "c"}
    tried.end()
    meant.end()
    assert len(deletions) == 0
