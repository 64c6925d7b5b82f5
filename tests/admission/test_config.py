from typing import Any

import pytest

from admission.config import AdmissionConfig, ScaleDownPolicy


def test_everything_guards_by_default() -> None:
    config = AdmissionConfig()
    assert config.delete_protection.enabled
    assert config.scale_down == ScaleDownPolicy(True, floor=1, max_step_percent=50, percent_from=4, max_step=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [("floor", -1), ("max_step_percent", 101), ("max_step_percent", -1), ("percent_from", -1), ("max_step", -1)],
)
def test_numbers_without_a_meaning_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        ScaleDownPolicy(**{field: value})
