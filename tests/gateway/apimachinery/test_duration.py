"""Go durations and kubectl's ages, at every boundary of HumanDuration."""

import pytest

from gateway.apimachinery.duration import human_duration, parse_duration

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2.5, "<invalid>"), (-1.5, "0s"), (-0.5, "0s"), (0, "0s"), (119.9, "119s"), (120, "2m"), (125, "2m5s"),
        (10 * MINUTE - 1, "9m59s"), (10 * MINUTE, "10m"), (3 * HOUR - 1, "179m"), (3 * HOUR, "3h"),
        (5 * HOUR + 61, "5h1m"), (8 * HOUR, "8h"), (2 * DAY - 1, "47h"), (2 * DAY, "2d"), (3 * DAY + 5 * HOUR, "3d5h"),
        (8 * DAY, "8d"), (2 * YEAR - 1, "729d"), (2 * YEAR, "2y"), (2 * YEAR + 70 * DAY, "2y70d"), (8 * YEAR, "8y"),
    ],
)  # fmt: skip
def test_human_duration(seconds, text):
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("32s", 32),
        ("1h2m3.5s", 3723.5),
        ("0", 0),
        ("-1m", -60),
        ("+5ms", 0.005),
        (".5s", 0.5),
        ("1us", 1e-6),
        ("1µs", 1e-6),
    ],
)
def test_parse_duration(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'invalid duration ""'),
        ("s", 'invalid duration "s"'),
        ("-", 'invalid duration "-"'),
        ("--1s", 'invalid duration "--1s"'),
        ('a"\\', 'invalid duration "a\\"\\\\"'),
        ("5", 'missing unit in duration "5"'),
        ("1h5", 'missing unit in duration "1h5"'),
        ("1x", 'unknown unit "x" in duration "1x"'),
        ("1s ", 'unknown unit "s " in duration "1s "'),
        ("1h-2m", 'unknown unit "h-" in duration "1h-2m"'),
    ],
)
def test_malformed_durations(text, problem):
    with pytest.raises(ValueError) as refusal:
        parse_duration(text)
    assert str(refusal.value) == f"time: {problem}"
