from cache.lister_watcher import Expired, ListWatchError, NotServed, Unavailable


def test_all_errors_of_the_port_are_of_one_kind():
    assert all(issubclass(error, ListWatchError) for error in (Expired, NotServed, Unavailable))


def test_a_member_can_ask_for_a_pause():
    assert Unavailable("429 too many requests", 7).retry_after == 7
    assert Unavailable("connection refused").retry_after == 0
