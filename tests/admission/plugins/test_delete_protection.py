from typing import Any, ClassVar

import pytest

from admission.config import DeleteProtectionConfig
from admission.plugins.delete_protection import (
    CONTENT_UNKNOWN_RULE,
    DEFINITION_RULE,
    NAMESPACE_RULE,
    PROTECTED_RULE,
    DeleteProtection,
)
from admission.protection_labels import FLEETGATE_LABEL, KARMADA_LABEL, KRUISE_LABEL
from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.patch.patch import JSON_PATCH, MERGE_PATCH
from gateway.apimachinery.schema import GroupResource
from tests.admission.support import (
    CLONE_SETS,
    CONFIG_MAPS,
    DEFINITIONS,
    NAMESPACES,
    PODS,
    ScriptedLookup,
    attributes,
    definition,
    version,
    workload,
)

SECRETS = GroupResource("", "secrets")
DEPLOYMENTS = GroupResource("apps", "deployments")
plugin = DeleteProtection(DeleteProtectionConfig())


def labelled(labels: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "namespace": "shop", "labels": labels}, **fields}


@pytest.mark.parametrize("label", [KARMADA_LABEL, KRUISE_LABEL, FLEETGATE_LABEL])
async def test_a_protected_object_is_not_deleted(label: str) -> None:
    verdict = await plugin.validate(attributes("delete"), ScriptedLookup(workload(labels={label: "Always"})))
    assert verdict.rule == PROTECTED_RULE
    assert verdict.message == f"This resource is protected, please make sure to remove the label: {label}"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (attributes("delete"), True),
        (attributes("delete", resource=PODS), True),
        (attributes("create", resource=PODS, subresource="eviction", obj={"kind": "Eviction"}), True),
        (attributes("create", obj=workload()), False),
        (attributes("update", obj=workload()), False),
        (attributes("create", obj=workload(labels={KARMADA_LABEL: "always"})), True),
        (attributes("patch", patch_type=MERGE_PATCH, patch={"metadata": {"labels": {KARMADA_LABEL: "no"}}}), True),
        (attributes("patch", patch_type=MERGE_PATCH, patch={"metadata": {"labels": {KARMADA_LABEL: None}}}), False),
    ],
)
def test_what_it_looks_into(asked: Any, expected: bool) -> None:
    assert plugin.handles(asked) is expected


def test_switched_off_it_handles_nothing() -> None:
    assert not DeleteProtection(DeleteProtectionConfig(enabled=False)).handles(attributes("delete"))


async def test_eviction_is_a_deletion() -> None:
    asked = attributes("create", resource=PODS, subresource="eviction", obj={"kind": "Eviction"})
    verdict = await plugin.validate(asked, ScriptedLookup(labelled({FLEETGATE_LABEL: "Always"})))
    assert verdict.rule == PROTECTED_RULE


@pytest.mark.parametrize(
    "old", [None, workload(labels={KARMADA_LABEL: "Always"}, deletionTimestamp="2026-01-01T00:00:00Z")]
)
async def test_what_is_not_there_or_going_already_passes(old: Any) -> None:
    assert (await plugin.validate(attributes("delete"), ScriptedLookup(old))).allowed


async def test_an_unprotected_workload_with_replicas_may_be_deleted() -> None:
    assert (await plugin.validate(attributes("delete"), ScriptedLookup(workload(10)))).allowed


async def test_a_misspelt_protection_is_warned_about_when_it_is_set_and_when_it_fails() -> None:
    obj = workload(labels={KARMADA_LABEL: "always"})
    for asked in (attributes("create", obj=obj), attributes("delete")):
        verdict = await plugin.validate(asked, ScriptedLookup(obj))
        assert verdict.allowed
        assert "does not protect against deletion" in verdict.warnings[0]


async def test_the_warning_comes_for_a_json_patch_too() -> None:
    path = "/metadata/labels/policy.kruise.io~1delete-protection"
    operations = ["odd", {"op": "add", "path": path, "value": "allways"}]
    asked = attributes("patch", patch_type=JSON_PATCH, patch=operations)
    assert plugin.handles(asked)
    assert (await plugin.validate(asked, ScriptedLookup())).warnings


class TestCascading:
    LABELS: ClassVar = {KRUISE_LABEL: "Cascading"}

    async def test_a_workload_with_replicas_stays(self) -> None:
        verdict = await plugin.validate(attributes("delete"), ScriptedLookup(workload(3, labels=self.LABELS)))
        assert verdict.rule == PROTECTED_RULE
        assert verdict.message.startswith(
            "it still has 3 replicas (policy.kruise.io/delete-protection=Cascading). This"
        )

    async def test_a_workload_scaled_to_zero_may_go(self) -> None:
        assert (await plugin.validate(attributes("delete"), ScriptedLookup(workload(0, labels=self.LABELS)))).allowed

    async def test_a_running_pod_stays(self) -> None:
        pod = labelled(self.LABELS, status={"phase": "Running"})
        verdict = await plugin.validate(attributes("delete", resource=PODS), ScriptedLookup(pod))
        assert verdict.message.startswith("it is still active")

    async def test_a_custom_workload_is_read_at_its_scale_path(self) -> None:
        asked = attributes("delete", resource=CLONE_SETS)
        for size, allowed in ((2, False), (0, True), ("odd", False)):
            sized = definition(version(path=".spec.size"))
            lookup = ScriptedLookup(labelled(self.LABELS, spec={"size": size}), definition=sized)
            assert (await plugin.validate(asked, lookup)).allowed is allowed

    async def test_it_means_nothing_on_what_has_no_replicas(self) -> None:
        lookup = ScriptedLookup(labelled(self.LABELS, data={}))
        assert (await plugin.validate(attributes("delete", resource=CONFIG_MAPS), lookup)).allowed


class TestNamespace:
    ASKED = attributes("delete", resource=NAMESPACES, namespace="", name="shop")

    async def test_protected_content_keeps_the_namespace(self) -> None:
        contents = [(SECRETS, labelled({FLEETGATE_LABEL: "Always"})), (DEPLOYMENTS, workload(3))]
        verdict = await plugin.validate(self.ASKED, ScriptedLookup(labelled({}), contents=contents))
        assert verdict.rule == NAMESPACE_RULE
        assert "secrets shop/x (label fleetgate.io/delete-protection=Always)" in verdict.message

    async def test_unprotected_content_does_not(self) -> None:
        lookup = ScriptedLookup(labelled({}), contents=[(DEPLOYMENTS, workload(3))])
        assert (await plugin.validate(self.ASKED, lookup)).allowed

    async def test_unknown_content_does(self) -> None:
        lookup = ScriptedLookup(labelled({}), contents=service_unavailable("the store is down"))
        verdict = await plugin.validate(self.ASKED, lookup)
        assert verdict.rule == CONTENT_UNKNOWN_RULE
        assert "the store is down" in verdict.message

    async def test_cascading_holds_while_something_runs(self) -> None:
        labels = {KRUISE_LABEL: "Cascading"}
        running = ScriptedLookup(labelled(labels), contents=[(DEPLOYMENTS, workload(3))])
        verdict = await plugin.validate(self.ASKED, running)
        assert verdict.rule == PROTECTED_RULE
        assert "deployments.apps shop/web (active)" in verdict.message
        stopped = ScriptedLookup(labelled(labels), contents=[(DEPLOYMENTS, workload(0))])
        assert (await plugin.validate(self.ASKED, stopped)).allowed

    async def test_a_namespace_that_is_going_passes_without_a_look_inside(self) -> None:
        going = labelled({})
        going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        lookup = ScriptedLookup(going)
        assert (await plugin.validate(self.ASKED, lookup)).allowed
        assert lookup.asked["namespace_contents"] == 0


class TestDefinition:
    ASKED = attributes("delete", resource=DEFINITIONS, namespace="", name="clonesets.apps.kruise.io")
    SPEC: ClassVar = {"group": "apps.kruise.io", "names": {"plural": "clonesets"}}

    async def test_protected_objects_keep_the_definition(self) -> None:
        lookup = ScriptedLookup(labelled({}, spec=self.SPEC), instances=[labelled({FLEETGATE_LABEL: "Always"})])
        verdict = await plugin.validate(self.ASKED, lookup)
        assert verdict.rule == DEFINITION_RULE
        assert "clonesets.apps.kruise.io shop/x" in verdict.message
        assert lookup.asked["instances clonesets.apps.kruise.io"] == 1

    async def test_other_objects_do_not(self) -> None:
        lookup = ScriptedLookup(labelled({}, spec=self.SPEC), instances=[labelled({})])
        assert (await plugin.validate(self.ASKED, lookup)).allowed

    async def test_cascading_holds_while_there_are_objects(self) -> None:
        crd = labelled({KRUISE_LABEL: "Cascading"}, spec=self.SPEC)
        verdict = await plugin.validate(self.ASKED, ScriptedLookup(crd, instances=[labelled({})]))
        assert verdict.message.startswith("1 custom resources still exist")
        assert (await plugin.validate(self.ASKED, ScriptedLookup(crd))).allowed

    async def test_unknown_objects_keep_it(self) -> None:
        lookup = ScriptedLookup(labelled({}, spec=self.SPEC), instances=service_unavailable("down"))
        assert (await plugin.validate(self.ASKED, lookup)).rule == CONTENT_UNKNOWN_RULE
