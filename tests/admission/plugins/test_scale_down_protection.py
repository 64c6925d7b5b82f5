from typing import Any, Final

import pytest

from admission.config import ScaleDownPolicy
from admission.plugins.scale_down_protection import (
    ALLOW_ANNOTATION,
    DROPPED_RULE,
    FLOOR_RULE,
    REPLICAS_AUDIT_KEY,
    STEP_RULE,
    UNREADABLE_RULE,
    ScaleDownProtection,
    step_refusal,
)
from gateway.apimachinery.errors import ApiError, bad_request
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.apimachinery.schema import GroupVersionResource
from tests.admission.support import CLONE_SETS, CONFIG_MAPS, ScriptedLookup, attributes, definition, version, workload

DEFAULT = ScaleDownPolicy()


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (1, 0, FLOOR_RULE),
        (10, 0, FLOOR_RULE),
        (10, -1, FLOOR_RULE),
        (10, 5, None),
        (10, 4, STEP_RULE),
        (4, 2, None),
        (4, 1, STEP_RULE),
        (3, 1, None),
        (5, 3, None),
        (5, 2, STEP_RULE),
        (0, 0, None),
        (0, 5, None),
        (2, 9, None),
    ],
)
def test_the_default_policy(old: int, new: int, rule: str | None) -> None:
    refusal = step_refusal(old, new, DEFAULT)
    assert (refusal[0] if refusal else None) == rule


@pytest.mark.parametrize(
    ("policy", "old", "new", "rule"),
    [
        (ScaleDownPolicy(floor=0, max_step_percent=100), 10, 0, None),
        (ScaleDownPolicy(floor=3, max_step_percent=100), 10, 2, FLOOR_RULE),
        (ScaleDownPolicy(floor=3), 2, 1, FLOOR_RULE),
        (ScaleDownPolicy(floor=3), 2, 3, None),
        (ScaleDownPolicy(max_step=1), 10, 8, STEP_RULE),
        (ScaleDownPolicy(max_step=1), 10, 9, None),
        (ScaleDownPolicy(max_step_percent=0, percent_from=0), 3, 2, STEP_RULE),
        (ScaleDownPolicy(max_step_percent=10), 10, 8, STEP_RULE),
        (ScaleDownPolicy(percent_from=20), 10, 1, None),
    ],
)
def test_configured_policies(policy: ScaleDownPolicy, old: int, new: int, rule: str | None) -> None:
    refusal = step_refusal(old, new, policy)
    assert (refusal[0] if refusal else None) == rule


def plugin(policy: ScaleDownPolicy = DEFAULT) -> ScaleDownProtection:
    return ScaleDownProtection(policy)


def scale_patch(patch: Any, patch_type: str = MERGE_PATCH, **more: Any) -> Any:
    return attributes("patch", patch_type=patch_type, patch=patch, **more)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (attributes("create", obj=workload(0)), False),
        (attributes("delete"), False),
        (attributes("update", obj=workload(0)), True),
        (attributes("update", obj=workload(0), subresource="status"), False),
        (attributes("update", obj={"spec": {}}, subresource="scale"), True),
        (scale_patch({"spec": {"replicas": 0}}), True),
        (scale_patch({"metadata": {"labels": {}}}), False),
        (scale_patch({"spec": {"template": {}}}, STRATEGIC_MERGE_PATCH), False),
        (scale_patch({"spec": {}}, APPLY_PATCH), True),
        (scale_patch({"data": {}}, resource=CONFIG_MAPS), False),
        (scale_patch({"spec": {"anything": 1}}, resource=CLONE_SETS), True),
        (scale_patch({"metadata": {}}, resource=CLONE_SETS), False),
    ],
)
def test_only_writes_that_may_scale_are_looked_into(asked: Any, expected: bool) -> None:
    assert plugin().handles(asked) is expected


def test_switched_off_it_handles_nothing() -> None:
    assert not plugin(ScaleDownPolicy(enabled=False)).handles(attributes("update", obj=workload(0)))


async def test_a_denial_says_what_lifts_it_and_is_recorded() -> None:
    verdict = await plugin().validate(attributes("update", obj=workload(0)), ScriptedLookup(workload(10)))
    assert not verdict.allowed
    assert verdict.rule == FLOOR_RULE
    assert "scaling from 10 to 0 replicas is refused: a workload is not scaled to zero" in verdict.message
    assert 'fleetgate.io/allow-scale-down: "true"' in verdict.message
    assert verdict.annotations == {REPLICAS_AUDIT_KEY: "10 -> 0"}


async def test_an_allowed_step_is_recorded_too() -> None:
    verdict = await plugin().validate(attributes("update", obj=workload(6)), ScriptedLookup(workload(10)))
    assert verdict.allowed
    assert verdict.annotations == {REPLICAS_AUDIT_KEY: "10 -> 6"}


async def test_the_annotation_on_the_live_object_lifts_the_rule() -> None:
    lookup = ScriptedLookup(workload(10, annotations={ALLOW_ANNOTATION: "true"}))
    verdict = await plugin().validate(attributes("update", obj=workload(0)), lookup)
    assert verdict.allowed
    assert verdict.annotations == {REPLICAS_AUDIT_KEY: "10 -> 0"}


async def test_it_lifts_the_rule_for_what_is_no_number_too() -> None:
    lookup = ScriptedLookup(workload(10, annotations={ALLOW_ANNOTATION: "true"}))
    asked = scale_patch({"spec": {"replicas": "0"}}, resource=CLONE_SETS)
    assert (await plugin().validate(asked, lookup)).allowed


async def test_a_write_cannot_allow_itself() -> None:
    asked = attributes("update", obj=workload(0, annotations={ALLOW_ANNOTATION: "true"}))
    assert not (await plugin().validate(asked, ScriptedLookup(workload(10)))).allowed


@pytest.mark.parametrize("old", [None, workload(10, deletionTimestamp="2026-01-01T00:00:00Z")])
async def test_nothing_to_protect_on_what_is_not_there_or_going(old: Any) -> None:
    assert (await plugin().validate(attributes("update", obj=workload(0)), ScriptedLookup(old))).allowed


async def test_an_update_that_leaves_the_number_out_scales_to_one() -> None:
    verdict = await plugin().validate(attributes("update", obj=workload(None)), ScriptedLookup(workload(10)))
    assert verdict.rule == STEP_RULE
    assert verdict.annotations == {REPLICAS_AUDIT_KEY: "10 -> 1"}


async def test_a_scale_that_leaves_the_number_out_scales_to_zero() -> None:
    asked = attributes("update", obj={"kind": "Scale", "spec": {}}, subresource="scale")
    verdict = await plugin().validate(asked, ScriptedLookup(workload(3)))
    assert verdict.rule == FLOOR_RULE


async def test_a_scale_patch_of_something_else_changes_nothing() -> None:
    asked = scale_patch({"metadata": {"labels": {}}}, subresource="scale")
    assert (await plugin().validate(asked, ScriptedLookup(workload(3)))).allowed


async def test_what_is_uncertain_is_tried_out() -> None:
    asked = scale_patch([{"op": "copy", "path": "/spec/replicas", "from": "/spec/minReadySeconds"}], JSON_PATCH)
    lookup = ScriptedLookup(workload(10), new=workload(0))
    assert (await plugin().validate(asked, lookup)).rule == FLOOR_RULE
    assert lookup.asked["new"] == 1


async def test_what_is_certain_is_not_tried_out() -> None:
    lookup = ScriptedLookup(workload(10))
    assert not (await plugin().validate(scale_patch({"spec": {"replicas": 0}}), lookup)).allowed
    assert lookup.asked["new"] == 0


async def test_the_refusal_of_the_store_is_passed_on() -> None:
    asked = scale_patch({"spec": 5})
    with pytest.raises(ApiError, match="nonsense"):
        await plugin().validate(asked, ScriptedLookup(workload(10), new=bad_request("nonsense")))


async def test_an_apply_of_others_fields_needs_no_trial() -> None:
    owned = [{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}}]
    asked = scale_patch({"spec": {"template": {}}}, APPLY_PATCH, field_manager="helm")
    lookup = ScriptedLookup(workload(10, managedFields=owned))
    assert (await plugin().validate(asked, lookup)).allowed
    assert lookup.asked["new"] == 0


async def test_an_apply_that_gives_the_field_up_is_tried_out() -> None:
    owned = [{"manager": "helm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    asked = scale_patch({"spec": {"template": {}}}, APPLY_PATCH, field_manager="helm")
    lookup = ScriptedLookup(workload(10, managedFields=owned), new=workload(1))
    assert (await plugin().validate(asked, lookup)).rule == STEP_RULE


class TestCustomKinds:
    async def test_replicas_are_found_in_their_usual_place(self) -> None:
        asked = scale_patch({"spec": {"replicas": 0}}, resource=CLONE_SETS)
        assert (await plugin().validate(asked, ScriptedLookup(workload(3)))).rule == FLOOR_RULE

    async def test_or_at_the_declared_scale_path(self) -> None:
        asked = scale_patch({"spec": {"size": 0}}, resource=CLONE_SETS)
        lookup = ScriptedLookup({"spec": {"size": 3}}, definition=definition(version(path=".spec.size")))
        assert (await plugin().validate(asked, lookup)).rule == FLOOR_RULE

    async def test_scale_is_a_scale_whatever_the_path(self) -> None:
        asked = scale_patch({"spec": {"replicas": 0}}, resource=CLONE_SETS, subresource="scale")
        lookup = ScriptedLookup({"spec": {"size": 3}}, definition=definition(version(path=".spec.size")))
        assert (await plugin().validate(asked, lookup)).rule == FLOOR_RULE

    async def test_a_kind_without_replicas_is_left_alone(self) -> None:
        asked = scale_patch({"spec": {"replicas": 0}}, resource=CLONE_SETS)
        assert (await plugin().validate(asked, ScriptedLookup({"spec": {"url": "x"}}))).allowed

    async def test_a_number_left_out_is_asked_of_the_store_because_definitions_have_defaults(self) -> None:
        asked = attributes("update", obj=workload(None), resource=CLONE_SETS)
        lookup = ScriptedLookup(workload(4), new=workload(3))
        assert (await plugin().validate(asked, lookup)).allowed
        assert lookup.asked["new"] == 1

    async def test_an_apply_is_always_tried_out_because_a_spec_may_be_atomic(self) -> None:
        owned = [{"manager": "x", "operation": "Apply", "fieldsV1": {}}]
        asked = scale_patch({"spec": {"other": 1}}, APPLY_PATCH, resource=CLONE_SETS, field_manager="helm")
        lookup = ScriptedLookup(workload(10, managedFields=owned), new=workload(None))
        assert (await plugin().validate(asked, lookup)).rule == STEP_RULE

    async def test_what_is_no_number_is_refused(self) -> None:
        asked = scale_patch({"spec": {"replicas": "0"}}, resource=CLONE_SETS)
        verdict = await plugin().validate(asked, ScriptedLookup(workload(3)))
        assert verdict.rule == UNREADABLE_RULE


SIZE_SCHEMA = {"type": "object", "properties": {"size": {"type": "integer"}}}
NEWER = GroupVersionResource("apps.kruise.io", "v1beta1", "clonesets")


def two_versions(**spec: Any) -> Any:
    """`v1alpha1` counts in `.spec.replicas`, `v1beta1` in `.spec.size`."""
    return definition(version(path=".spec.replicas"), version("v1beta1", ".spec.size"), **spec)


class TestSeveralVersions:
    OLD: Final = {"spec": {"replicas": 10, "size": 6}}

    @pytest.mark.parametrize("written", [CLONE_SETS, NEWER])
    @pytest.mark.parametrize(
        ("patch", "recorded"),
        [
            ({"spec": {"replicas": 0}}, "10 -> 0"),
            ({"spec": {"size": 0}}, "6 -> 0"),
            ({"spec": {"replicas": 9, "size": 0}}, "10 -> 9, 6 -> 0"),
        ],
    )
    async def test_the_scale_path_of_each_is_guarded_whichever_is_written(
        self, written: GroupVersionResource, patch: Any, recorded: str
    ) -> None:
        asked = scale_patch(patch, resource=written)
        verdict = await plugin().validate(asked, ScriptedLookup(self.OLD, definition=two_versions()))
        assert verdict.rule == FLOOR_RULE
        assert sorted(verdict.annotations[REPLICAS_AUDIT_KEY].split(", ")) == sorted(recorded.split(", "))

    async def test_an_update_that_leaves_the_others_number_out_is_tried_out(self) -> None:
        asked = attributes("update", obj={"spec": {"size": 6}}, resource=NEWER)
        lookup = ScriptedLookup(self.OLD, new={"spec": {"size": 6}}, definition=two_versions())
        verdict = await plugin().validate(asked, lookup)
        assert (verdict.rule, verdict.annotations) == (STEP_RULE, {REPLICAS_AUDIT_KEY: "10 -> 1"})

    @pytest.mark.parametrize(("number", "rule"), [(0, FLOOR_RULE), (5, "")])
    async def test_a_scale_is_of_the_version_it_is_sent_to(self, number: int, rule: str) -> None:
        asked = scale_patch({"spec": {"replicas": number}}, resource=NEWER, subresource="scale")
        verdict = await plugin().validate(asked, ScriptedLookup(self.OLD, definition=two_versions()))
        assert (verdict.rule, verdict.annotations) == (rule, {REPLICAS_AUDIT_KEY: f"6 -> {number}"})

    async def test_a_number_that_the_object_does_not_have_is_no_count(self) -> None:
        asked = scale_patch({"spec": {"size": 0}}, resource=CLONE_SETS)
        lookup = ScriptedLookup({"spec": {"replicas": 10}}, definition=two_versions())
        assert (await plugin().validate(asked, lookup)).allowed

    async def test_a_version_that_is_not_served_counts_nothing(self) -> None:
        unserved = definition(version(path=".spec.replicas"), version("v1beta1", ".spec.size", served=False))
        asked = scale_patch({"spec": {"size": 0}}, resource=CLONE_SETS)
        assert (await plugin().validate(asked, ScriptedLookup(self.OLD, definition=unserved))).allowed

    async def test_beside_the_scale_path_a_number_in_the_usual_place_counts(self) -> None:
        asked = scale_patch({"spec": {"replicas": 0}}, resource=CLONE_SETS)
        only_size = definition(version(path=".spec.size"))
        assert (await plugin().validate(asked, ScriptedLookup(self.OLD, definition=only_size))).rule == FLOOR_RULE


class TestAVersionThatPrunesTheCountOfAnother:
    PRUNING: Final = definition(version(path=".spec.replicas"), version("v1beta1", ".spec.size", spec=SIZE_SCHEMA))
    SHOWN: Final = {"spec": {"size": 6}}

    def lookup(self, replicas: int | None, **more: Any) -> ScriptedLookup:
        stored = {"spec": {"size": 6, "replicas": replicas}}
        return ScriptedLookup(more.pop("old", self.SHOWN), at_versions={"v1alpha1": stored}, **more)

    @pytest.mark.parametrize(
        "asked",
        [
            scale_patch({"spec": {"other": 1}}, resource=NEWER),
            scale_patch({"spec": {"replicas": 6}}, resource=NEWER, subresource="scale"),
            attributes("update", obj={"spec": {"size": 6, "replicas": 10}}, resource=NEWER),
        ],
    )
    async def test_nothing_is_written_through_it(self, asked: Any) -> None:
        verdict = await plugin().validate(asked, self.lookup(10, definition=self.PRUNING))
        assert verdict.rule == DROPPED_RULE
        assert verdict.message.startswith(
            "writing it as v1beta1 drops .spec.replicas, by which v1alpha1 asks for 10 replicas: write it as v1alpha1; "
        )

    async def test_unless_the_annotation_is_there(self) -> None:
        lifted = self.SHOWN | {"metadata": {"annotations": {ALLOW_ANNOTATION: "true"}}}
        asked = scale_patch({"spec": {"other": 1}}, resource=NEWER)
        assert (await plugin().validate(asked, self.lookup(10, old=lifted, definition=self.PRUNING))).allowed

    async def test_or_there_is_nothing_to_lose(self) -> None:
        asked = scale_patch({"spec": {"other": 1}}, resource=NEWER)
        assert (await plugin().validate(asked, self.lookup(0, definition=self.PRUNING))).allowed

    async def test_or_a_webhook_carries_it_over(self) -> None:
        converted = self.PRUNING | {"spec": self.PRUNING["spec"] | {"conversion": {"strategy": "Webhook"}}}
        asked = scale_patch({"spec": {"other": 1}}, resource=NEWER)
        lookup = self.lookup(10, definition=converted)
        assert (await plugin().validate(asked, lookup)).allowed
        assert lookup.asked["old at v1alpha1"] == 0

    async def test_the_other_version_is_written_as_ever(self) -> None:
        asked = scale_patch({"spec": {"replicas": 6}}, resource=CLONE_SETS)
        lookup = ScriptedLookup({"spec": {"size": 6, "replicas": 10}}, definition=self.PRUNING)
        assert (await plugin().validate(asked, lookup)).allowed


async def test_a_custom_kind_in_a_group_of_kubernetes_is_guarded() -> None:
    asked = scale_patch({"spec": {"replicas": 0}}, resource=GroupVersionResource("apps", "v9", "podsets"))
    assert plugin().handles(asked)
    assert (await plugin().validate(asked, ScriptedLookup(workload(3)))).rule == FLOOR_RULE
