import socket

import pytest

from gateway.config_decoding import ConfigError
from gateway.simulation.demo import check_free, member_count
from gateway.simulation.member_process import DemoError


@pytest.mark.parametrize(("wanted", "existing", "count"), [(None, 0, 2), (None, 3, 3), (1, 0, 1), (4, 2, 4), (9, 9, 9)])
def test_members_that_are_there_stay(wanted: int | None, existing: int, count: int) -> None:
    assert member_count(wanted, existing) == count


@pytest.mark.parametrize(("wanted", "existing"), [(0, 0), (10, 0), (1, 2)])
def test_a_number_of_members_that_cannot_be_is_refused(wanted: int, existing: int) -> None:
    with pytest.raises(DemoError):
        member_count(wanted, existing)


def test_an_address_in_use_is_noticed_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(DemoError, match=r"is in use .*--listen"):
            check_free(listen)
    check_free(listen)
    with pytest.raises(DemoError, match=r"cannot listen on 192\.0\.2\.1:7000"):
        check_free("192.0.2.1:7000")
    with pytest.raises(ConfigError):
        check_free("7000")
