import pytest

from gateway.printers.timestamps import epoch, first_epoch


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-02T03:04:05Z", 1767323045),
        ("2026-01-02T03:04:05.250000Z", 1767323045.25),
        ("2026-01-02T05:04:05+02:00", 1767323045),
    ],
)
def test_reads_rfc_3339(text: str, seconds: float) -> None:
    assert epoch(text) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "",
        "2026-01-02",
        "0001-01-01T00:00:00Z",
        "2026-13-02T03:04:05Z",
        "2026-01-02 at 03:04:05Z",
        "2026-01-02T03:04:05.000",
        "yesterday at about noon",
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert epoch(value) is None


def test_the_first_readable_time_counts_even_when_it_is_the_epoch() -> None:
    assert first_epoch(None, "", "1970-01-01T00:00:00Z", "2026-01-02T03:04:05Z") == 0
    assert first_epoch(None, "soon") is None
