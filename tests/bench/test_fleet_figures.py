"""What becomes of repeated measurements."""

import pytest

from bench.fleet.figures import percentile, typical
from bench.measure import Sample


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(n) for n in range(100, 0, -1)], 0.5, 50.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 1.0, 100.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_percentile(values, share, expected):
    assert percentile(values, share) == expected


def test_of_rounds_the_middle_counts_but_the_most_memory():
    rounds = [
        Sample(wall, cpu, first, 10, growth) for wall, cpu, first, growth in [(3, 9, 4, 0), (1, 7, 6, 5), (2, 8, 5, 1)]
    ]
    assert typical(rounds) == Sample(wall=2, cpu=8, first_byte=5, size=10, growth=5)
