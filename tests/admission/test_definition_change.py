from typing import Any

import pytest

from admission.definition_change import lost_counts
from tests.admission.support import REPLICAS_SCHEMA, definition, version

SIZED = {"type": "object", "properties": {"size": {"type": "integer"}}}
BOTH = {"type": "object", "properties": {"size": {"type": "integer"}, "replicas": {"type": "integer"}}}
PLAIN = definition(version(path=".spec.replicas", spec=REPLICAS_SCHEMA))
TWO = definition(version(path=".spec.replicas", spec=BOTH), version("v1beta1", ".spec.size", spec=BOTH))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (PLAIN, PLAIN, []),
        (
            PLAIN,
            definition(version(spec=REPLICAS_SCHEMA)),
            ["version v1alpha1 no longer declares the scale path .spec.replicas"],
        ),
        (
            TWO,
            definition(version(path=".spec.size", spec=BOTH), version("v1beta1", ".spec.size", spec=BOTH)),
            ["version v1alpha1 no longer declares the scale path .spec.replicas"],
        ),
        (
            PLAIN,
            definition(version(path=".spec.replicas", spec=SIZED)),
            ["the schema of version v1alpha1 no longer knows .spec.replicas"],
        ),
        (
            definition(version(path=".spec.replicas", spec=SIZED), preserveUnknownFields=True),
            definition(version(path=".spec.replicas", spec=SIZED)),
            ["the schema of version v1alpha1 no longer knows .spec.replicas"],
        ),
        (
            definition(version()),
            definition(version(spec=SIZED)),
            ["the schema of version v1alpha1 no longer knows .spec.replicas"],
        ),
        (
            PLAIN,
            definition(version("v2", spec=REPLICAS_SCHEMA)),
            ["version v1alpha1 is no longer served, and no other declares the scale path .spec.replicas"],
        ),
        (
            TWO,
            definition(
                version(path=".spec.replicas", spec=BOTH), version("v1beta1", ".spec.size", spec=BOTH, served=False)
            ),
            ["version v1beta1 is no longer served, and no other declares the scale path .spec.size"],
        ),
        (
            PLAIN,
            definition(
                version(path=".spec.replicas", spec=REPLICAS_SCHEMA),
                version("v2", ".spec.size", spec=SIZED, storage=True),
            ),
            ["objects are stored as v2, whose schema does not know .spec.replicas"],
        ),
        (
            PLAIN,
            definition(version(path=".spec.replicas", spec=REPLICAS_SCHEMA), version("v2", ".spec.size", spec=SIZED)),
            ["whatever is written as v2, which is new, loses .spec.replicas, which its schema does not know"],
        ),
    ],
)
def test_what_is_lost_is_named(old: Any, new: Any, expected: list[str]) -> None:
    assert [count.how for count in lost_counts(old, new)] == expected


@pytest.mark.parametrize(
    "new",
    [
        definition(version(path=".spec.replicas", spec=BOTH)),
        definition(version(path=".spec.replicas")),
        definition(version(path=".spec.replicas", spec=REPLICAS_SCHEMA), version("v2", ".spec.replicas")),
        definition(version("v2", ".spec.replicas", spec=REPLICAS_SCHEMA)),
        definition(
            version(path=".spec.replicas", spec=REPLICAS_SCHEMA),
            version("v2", ".spec.size", spec=SIZED, storage=True),
            conversion={"strategy": "Webhook"},
        ),
        definition(version("v2", ".spec.size", spec=SIZED), conversion={"strategy": "Webhook"}),
        definition(
            version(path=".spec.replicas", spec=REPLICAS_SCHEMA), version("v2", ".spec.size", spec=SIZED, served=False)
        ),
    ],
)
def test_what_keeps_the_count_or_converts_it_loses_nothing(new: Any) -> None:
    assert lost_counts(PLAIN, new) == []
