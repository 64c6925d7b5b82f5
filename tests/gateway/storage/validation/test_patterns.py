"""Patterns are those of Go's regexp; the texts of errors were printed by Go 1.26's regexp.Compile."""

import pytest

from gateway.storage.validation.patterns import PatternWork, TooMuchWork


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("(", "missing closing ): `(`"),
        ("[a", "missing closing ]: `[a`"),
        ("a)", "unexpected ): `a)`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("[z-a]", "invalid character class range: `z-a`"),
    ],
)
def test_what_go_does_not_compile_is_refused_in_its_words(pattern, fault):
    assert PatternWork().fault(pattern) == f"error parsing regexp: {fault}"


def test_a_pattern_that_needs_too_much_memory_is_refused():
    pattern = r"[\p{L}\p{N}]{0,1000}"
    assert PatternWork().fault(pattern) == f"error parsing regexp: expression too large: `{pattern}`"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("^(a+)+$", "a" * 40 + "!", False),  # Python's re takes 2^40 steps
        ("^(a|a)*$", "a" * 100_000, True),
        ("b", "abc", True),
        ("^a$", "a\n", False),  # Python's re finds it
        (r"^a\z", "a", True),  # Python's re does not know \z
        (r"^\d$", "\u0663", False),
        (r"^\pN$", "\u0663", True),
        ("(?i)^\u00e4$", "\u00c4", True),
        ("^.$", "\U0001f600", True),
        ("^[[:alpha:]]+$", "abc", True),
        ("a", "\ud800", False),
        ("^.{0,1000}$", "\u00e4" * 1000, True),
    ],
)
def test_texts_are_searched_as_by_go(pattern, text, found):
    work = PatternWork()
    assert not work.fault(pattern)
    assert work.finds(pattern, text) is found


def test_the_work_of_one_object_is_bounded():
    work = PatternWork()
    pattern = "(?:[ab]*a[ab]{900}c|[ab]*b[ab]{901}d)"  # nothing is linear in less than a thousand steps a byte here
    assert not work.fault(pattern)
    assert not work.finds(pattern, "ab" * 100)
    with pytest.raises(TooMuchWork):
        work.finds(pattern, "ab" * 500_000)
    with pytest.raises(TooMuchWork):
        work.finds("a", "a")


def test_patterns_that_are_kept_cost_nothing_to_compile_again():
    pattern = "^kept [a-z]{1,100}$"
    PatternWork().fault(pattern)
    assert PatternWork(0).fault(pattern) == ""
    with pytest.raises(TooMuchWork):
        PatternWork(0).fault("^never seen [a-z]{1,100}$")
