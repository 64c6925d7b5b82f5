from cache.freshness import ClusterFreshness, together


def part(**facts):
    return ClusterFreshness(
        **{"name": "m1", "synced": True, "last_contact": 5.0, "stale_since": None, "objects": 2, "error": "", **facts}
    )


def test_stale_is_what_was_never_read_or_is_out_of_date():
    assert not part().stale
    assert part(synced=False).stale
    assert part(stale_since=1.0).stale


def test_a_member_is_as_fresh_as_its_worst_kind():
    parts = [part(last_contact=9.0), part(stale_since=3.0, error="gone"), part(stale_since=2.0), part(synced=False)]
    assert together("m1", [*parts, part(overfull=True)]).overfull
    assert together("m1", parts) == part(synced=False, last_contact=9.0, stale_since=2.0, objects=8, error="gone")


def test_a_member_without_kinds():
    assert together("m1", []) == part(last_contact=0.0, objects=0)
