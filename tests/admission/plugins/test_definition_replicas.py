from typing import Any

import pytest

from admission.config import ScaleDownPolicy
from admission.plugins.definition_replicas import LOST_RULE, UNKNOWN_RULE, DefinitionReplicas
from admission.plugins.scale_down_protection import ALLOW_ANNOTATION
from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from tests.admission.support import (
    CLONE_SETS,
    DEFINITIONS,
    REPLICAS_SCHEMA,
    ScriptedLookup,
    attributes,
    definition,
    version,
    workload,
)

OLD = definition(version(path=".spec.replicas", spec=REPLICAS_SCHEMA))
PRUNED = definition(version(path=".spec.replicas", spec={"type": "object"}))
ASKED = attributes("update", resource=DEFINITIONS, name="clonesets.apps.kruise.io", namespace="", obj=PRUNED)


def plugin(policy: ScaleDownPolicy | None = None) -> DefinitionReplicas:
    return DefinitionReplicas(policy or ScaleDownPolicy())


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ASKED, True),
        (attributes("patch", resource=DEFINITIONS, patch_type=APPLY_PATCH, patch=PRUNED), True),
        (attributes("patch", resource=DEFINITIONS, patch_type=MERGE_PATCH, patch={"spec": {}}), True),
        (attributes("patch", resource=DEFINITIONS, patch_type=MERGE_PATCH, patch={"metadata": {}}), False),
        (
            attributes(
                "patch",
                resource=DEFINITIONS,
                patch_type=JSON_PATCH,
                patch=[{"op": "remove", "path": "/metadata/labels"}],
            ),
            False,
        ),
        (attributes("update", resource=DEFINITIONS, subresource="status", obj=PRUNED), False),
        (attributes("create", resource=DEFINITIONS, obj=PRUNED), False),
        (attributes("delete", resource=DEFINITIONS), False),
        (attributes("update", resource=CLONE_SETS, obj=workload()), False),
    ],
)
def test_only_changes_of_definitions_are_looked_into(asked: Any, expected: bool) -> None:
    assert plugin().handles(asked) is expected
    assert not plugin(ScaleDownPolicy(enabled=False)).handles(asked)


async def test_a_definition_keeps_the_counts_of_what_runs() -> None:
    lookup = ScriptedLookup(OLD, new=PRUNED, instances=[workload(3), workload(0)])
    verdict = await plugin().validate(ASKED, lookup)
    assert verdict.rule == LOST_RULE
    assert verdict.message == (
        "the schema of version v1alpha1 no longer knows .spec.replicas, while objects ask for replicas there: "
        "clonesets.apps.kruise.io shop/web (3 replicas); to allow it, first set the annotation "
        'fleetgate.io/allow-scale-down: "true" on the definition'
    )


@pytest.mark.parametrize(
    "instances",
    [
        [],
        [workload(0)],
        [workload(3, deletionTimestamp="2026-01-01T00:00:00Z")],
        [workload(3, annotations={ALLOW_ANNOTATION: "true"})],
    ],
)
async def test_where_nothing_runs_nothing_is_lost(instances: Any) -> None:
    assert (await plugin().validate(ASKED, ScriptedLookup(OLD, new=PRUNED, instances=instances))).allowed


@pytest.mark.parametrize("count", [3, None, "x"])
async def test_a_declared_count_that_is_left_out_or_no_number_might_run(count: Any) -> None:
    lookup = ScriptedLookup(OLD, new=PRUNED, instances=[workload(count)])
    assert (await plugin().validate(ASKED, lookup)).rule == LOST_RULE


@pytest.mark.parametrize("count", [None, "x"])
async def test_one_that_is_not_declared_must_be_a_number(count: Any) -> None:
    lookup = ScriptedLookup(
        definition(version()), new=definition(version(spec={"type": "object"})), instances=[workload(count)]
    )
    assert (await plugin().validate(ASKED, lookup)).allowed


async def test_a_change_that_loses_nothing_costs_no_listing() -> None:
    lookup = ScriptedLookup(OLD, new=OLD)
    assert (await plugin().validate(ASKED, lookup)).allowed
    assert lookup.asked == {"old": 1, "new": 1}


async def test_what_cannot_be_listed_is_not_risked() -> None:
    lookup = ScriptedLookup(OLD, new=PRUNED, instances=service_unavailable("the store is away"))
    verdict = await plugin().validate(ASKED, lookup)
    assert verdict.rule == UNKNOWN_RULE
    assert "the store is away" in verdict.message


@pytest.mark.parametrize(
    "old", [None, definition(annotations={ALLOW_ANNOTATION: "true"}), OLD | {"metadata": {"deletionTimestamp": "x"}}]
)
async def test_lifted_or_going_it_is_not_judged(old: Any) -> None:
    lookup = ScriptedLookup(old, new=PRUNED, instances=[workload(3)])
    assert (await plugin().validate(ASKED, lookup)).allowed
    assert lookup.asked == {"old": 1}


async def test_a_write_cannot_allow_itself() -> None:
    itself = PRUNED | {"metadata": {"annotations": {ALLOW_ANNOTATION: "true"}}}
    lookup = ScriptedLookup(OLD, new=itself, instances=[workload(3)])
    assert not (await plugin().validate(ASKED, lookup)).allowed


async def test_a_policy_that_allows_zero_allows_this() -> None:
    anything = ScaleDownPolicy(floor=0, max_step_percent=100)
    assert (await plugin(anything).validate(ASKED, ScriptedLookup(OLD, new=PRUNED, instances=[workload(3)]))).allowed


async def test_many_are_counted() -> None:
    lookup = ScriptedLookup(OLD, new=PRUNED, instances=[workload(3) for _ in range(23)])
    assert " and 3 more; " in (await plugin().validate(ASKED, lookup)).message
