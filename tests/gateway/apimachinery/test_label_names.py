"""Label keys and values. The full texts of complaints are recorded in test_label_selectors.py."""

from collections.abc import Callable

import pytest

from gateway.apimachinery.label_names import label_key, label_value

LONG = "a" * 300


@pytest.mark.parametrize(
    ("rule", "text", "complaints"),
    [
        (label_key, "a.b/C_d.e", 0),
        (label_key, "a/b/c", 1),
        (label_key, "/c", 1),
        (label_key, "a/", 2),
        (label_key, LONG, 1),
        (label_key, "a\n", 1),
        (label_value, "", 0),
        (label_value, "A_b.1", 0),
        (label_value, "-a", 1),
        (label_value, LONG, 1),
    ],
)
def test_how_many_complaints_a_text_earns(rule: Callable[[str], list[str]], text: str, complaints: int) -> None:
    assert len(rule(text)) == complaints, rule(text)


def test_lengths_are_counted_in_bytes() -> None:
    assert label_key(f"{LONG}/a") == ["prefix part must be no more than 253 bytes"]
    assert label_key("é" * 40)[0] == "name part must be no more than 63 bytes"
    assert label_value("é" * 40)[0] == "must be no more than 63 bytes"
    assert "bytes" not in "".join(label_value("é" * 30))
    assert len(label_value("\udc80" * 40)) == 2
