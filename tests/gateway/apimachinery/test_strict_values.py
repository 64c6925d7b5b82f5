"""Words for texts that are no time, quantity or base64; the goldens behind test_strict.py hold Go's own."""

import base64
import binascii
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.apimachinery.strict_values import base64_problem, quantity_problem, time_problem


@pytest.mark.parametrize(
    "text", ["2026-07-14T11:30:05Z", "2026-07-14T1:30:05.5+02:00", "2024-02-29T00:00:00Z", "0000-01-01T00:00:00Z"]
)
def test_times(text):
    assert time_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-02-29T11:30:05Z", "day out of range"),
        ("2026-00-14T11:30:05Z", "month out of range"),
        ("2026-07-14T11:30:05Zulu", 'extra text: "ulu"'),
        ("2026-07-14T11:30:05-25:00", "time zone offset hour out of range"),
    ],
)
def test_wrong_times(text, problem):
    assert time_problem(text) == f'parsing time "{text}": {problem}'


def test_micro_times_need_six_digits():
    assert time_problem("2026-07-14T11:30:05.123456Z", micro=True) == ""
    assert time_problem("2026-07-14T11:30:05Z", micro=True) == (
        'parsing time "2026-07-14T11:30:05Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'
    )


@pytest.mark.parametrize("text", ["1", "-1.5Gi", "1e3", "1E", "100m", ".5", "5.", "12u", " 1 "])
def test_quantities(text):
    assert quantity_problem(text) == ""


@pytest.mark.parametrize("text", ["", "1KI", "abc", "1 Gi", "0x1"])
def test_texts_that_are_no_quantity(text):
    assert quantity_problem(text).startswith("quantities must match the regular expression")


@pytest.mark.parametrize("text", ["1e", "1kk", "1k3", "1i", "1Ei3"])
def test_wrong_suffixes(text):
    assert quantity_problem(text) == "unable to parse quantity's suffix"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("!!!", 0), ("YQ", 0), ("Y", 0), ("YWJj!", 4), ("YWJjYQ=", 7), ("YQ==YQ==", 4), ("YWJ=YQ==", 4), ("====", 0),
        ("YQ=a", 2), ("YWJj\nY!==", 6), ("YQ=\n", 4), ("YQ==\nYQ", 5), ("YWJj\r\nYQ", 6),
    ],
)  # fmt: skip
def test_where_base64_breaks(text, offset):
    assert base64_problem(text) == f"illegal base64 data at input byte {offset}"


@given(st.text(alphabet="YQa=+/!\n", max_size=12))
@settings(max_examples=500, deadline=None)
def test_base64_agrees_with_pythons_strict_decoder(text):
    bare = text.replace("\n", "")
    try:
        base64.b64decode(bare, validate=True)
        binascii.a2b_base64(bare.encode(), strict_mode=True)
        correct = len(bare) % 4 == 0
    except ValueError:
        correct = False
    assert (base64_problem(text) == "") == correct


@pytest.mark.parametrize("tail", ["x", "kx", "..", "e+-", "kk"])
def test_a_long_quantity_is_judged_in_one_pass(tail):
    """A pattern that tries every way to share the digits out would not come to an end here."""
    assert quantity_problem("1" * 1_000_000 + tail)


@given(st.text(alphabet="0159.eEkiMm+-", max_size=12))
def test_one_pass_finds_what_all_ways_find(text):
    every_way = re.fullmatch(r"[+-]?[0-9]*(?:\.[0-9]*)?([eEinumkKMGTP]*[-+]?[0-9]*)", text)
    suffixed = every_way and re.fullmatch(r"|[numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+", every_way.group(1))
    expected = "" if suffixed else "suffix" if every_way else "regular expression"
    problem = quantity_problem(text)
    assert (not problem and not expected) or (expected and expected in problem) or not text


def test_where_long_base64_breaks():
    assert base64_problem("QUJD" * 200_000 + "QU!D") == "illegal base64 data at input byte 800002"
    assert base64_problem("QUJD" * 200_000 + "QUJ") == "illegal base64 data at input byte 800000"
