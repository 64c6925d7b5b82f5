from typing import Any

import pytest

from admission.config import DeleteProtectionConfig
from admission.plugins.delete_protection import CONTENT_UNKNOWN_RULE
from admission.plugins.owner_protection import CHANGED_RULE, DEPENDENTS_RULE, OwnerProtection
from admission.protection_labels import FLEETGATE_LABEL, KRUISE_LABEL
from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.apimachinery.schema import GroupResource
from tests.admission.support import (
    CONFIG_MAPS,
    DEFINITIONS,
    NAMESPACES,
    PODS,
    ScriptedLookup,
    attributes,
    definition,
    workload,
)

ALWAYS = {FLEETGATE_LABEL: "Always"}
CASCADING = {KRUISE_LABEL: "Cascading"}
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "never"}
OWNED: JsonObject = {"metadata": {"ownerReferences": [OWNER]}}
GOING: JsonObject = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
SECRETS = GroupResource("", "secrets")
plugin = OwnerProtection(DeleteProtectionConfig())


def patch(body: Any, patch_type: str = MERGE_PATCH, **more: Any) -> Any:
    return attributes("patch", patch_type=patch_type, patch=body, **more)


PATH = "/metadata/ownerReferences"
MAY_GIVE_OWNERS = {
    "put": attributes("update", obj=workload(ownerReferences=[OWNER])),
    "put of the status": attributes("update", obj=workload(ownerReferences=[OWNER]), subresource="status"),
    "merge patch": patch(OWNED),
    "merge patch of the status": patch(OWNED, subresource="status"),
    "strategic patch": patch(OWNED, STRATEGIC_MERGE_PATCH),
    "strategic patch with a directive": patch({"metadata": {"$patch": "replace"}}, STRATEGIC_MERGE_PATCH),
    "strategic patch that takes one": patch(
        {"metadata": {"ownerReferences": [{"uid": "u", "$patch": "delete"}]}}, STRATEGIC_MERGE_PATCH
    ),
    "json patch": patch([{"op": "add", "path": PATH, "value": [OWNER]}], JSON_PATCH),
    "json patch of one": patch([{"op": "replace", "path": f"{PATH}/0/uid", "value": "never"}], JSON_PATCH),
    "json patch that takes one": patch([{"op": "remove", "path": f"{PATH}/0"}], JSON_PATCH),
    "json patch of the whole": patch([{"op": "replace", "path": "", "value": OWNED}], JSON_PATCH),
    "json patch of the metadata": patch(
        [{"op": "replace", "path": "/metadata", "value": OWNED["metadata"]}], JSON_PATCH
    ),
    "json patch that copies": patch([{"op": "copy", "from": "/spec/x", "path": PATH}], JSON_PATCH),
    "json patch that moves": patch([{"op": "move", "from": PATH, "path": "/metadata/annotations"}], JSON_PATCH),
    "json patch in another spelling": patch([{"op": "add", "path": f"x{PATH}", "value": [OWNER]}], JSON_PATCH),
    "apply": patch(OWNED, APPLY_PATCH, field_manager="m"),
    "apply that gives up": patch({"spec": {}}, APPLY_PATCH, field_manager="m"),
}
HARMLESS = {
    "create": attributes("create", obj=workload(ownerReferences=[OWNER])),
    "put without owners": attributes("update", obj=workload()),
    "scale": attributes("update", obj=workload(ownerReferences=[OWNER]), subresource="scale"),
    "merge patch elsewhere": patch({"metadata": {"labels": {"a": "b"}}, "spec": {}}),
    "merge patch that takes all": patch({"metadata": {"ownerReferences": None}}),
    "strategic patch elsewhere": patch({"spec": {"$retainKeys": ["a"]}}, STRATEGIC_MERGE_PATCH),
    "json patch elsewhere": patch([{"op": "add", "path": "/metadata/labels/a", "value": "b"}], JSON_PATCH),
    "json patch that tests": patch([{"op": "test", "path": PATH, "value": []}], JSON_PATCH),
    "json patch that takes all": patch([{"op": "remove", "path": PATH}], JSON_PATCH),
}


@pytest.mark.parametrize("route", MAY_GIVE_OWNERS)
async def test_no_write_gives_owners_to_what_is_protected(route: str) -> None:
    asked = MAY_GIVE_OWNERS[route]
    assert plugin.handles(asked)
    old = workload(labels=ALWAYS, ownerReferences=[{**OWNER, "uid": "there"}])
    verdict = await plugin.validate(asked, ScriptedLookup(old, new=workload(ownerReferences=[OWNER])))
    assert verdict.rule == CHANGED_RULE
    assert f"please make sure to remove the label: {FLEETGATE_LABEL}" in verdict.message


@pytest.mark.parametrize("route", MAY_GIVE_OWNERS)
async def test_what_is_not_protected_may_get_any(route: str) -> None:
    for old in (None, workload(), workload(labels=ALWAYS, **GOING)):
        lookup = ScriptedLookup(old)
        assert (await plugin.validate(MAY_GIVE_OWNERS[route], lookup)).allowed
        assert lookup.asked == {"old": 1}


@pytest.mark.parametrize("route", HARMLESS)
def test_writes_that_surely_give_none_are_not_looked_into(route: str) -> None:
    assert not plugin.handles(HARMLESS[route])


def test_switched_off_it_handles_nothing() -> None:
    off = OwnerProtection(DeleteProtectionConfig(enabled=False))
    assert not off.handles(attributes("delete"))
    assert not off.handles(patch(OWNED))


async def test_the_same_owners_in_another_order_are_no_change() -> None:
    there = {**OWNER, "uid": "there", "name": "there"}
    old = workload(labels=ALWAYS, ownerReferences=[OWNER, there])
    asked = attributes("update", obj=workload(ownerReferences=[{**there, "controller": True}, OWNER]))
    assert (await plugin.validate(asked, ScriptedLookup(old))).allowed


async def test_an_apply_whose_manager_owns_no_owners_costs_no_dry_run() -> None:
    entry = {"manager": "m", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}}
    lookup = ScriptedLookup(workload(labels=ALWAYS, managedFields=[entry]))
    assert (await plugin.validate(MAY_GIVE_OWNERS["apply that gives up"], lookup)).allowed
    assert lookup.asked == {"old": 1}


async def test_the_write_that_takes_the_label_away_cannot_give_owners_as_well() -> None:
    body = {"metadata": {"labels": None, "ownerReferences": [OWNER]}}
    lookup = ScriptedLookup(workload(labels=ALWAYS), new=workload(ownerReferences=[OWNER]))
    assert (await plugin.validate(patch(body), lookup)).rule == CHANGED_RULE


async def test_cascading_keeps_owners_off_while_something_runs() -> None:
    new = workload(ownerReferences=[OWNER])
    assert not (await plugin.validate(patch(OWNED), ScriptedLookup(workload(2, labels=CASCADING), new=new))).allowed
    assert (await plugin.validate(patch(OWNED), ScriptedLookup(workload(0, labels=CASCADING), new=new))).allowed
    namespace = {"metadata": {"name": "shop", "labels": CASCADING}}
    asked = patch(OWNED, resource=NAMESPACES)
    assert not (await plugin.validate(asked, ScriptedLookup(namespace, new=OWNED))).allowed


class TestDeletion:
    PROTECTED = (SECRETS, {"metadata": {"name": "s", "namespace": "shop", "labels": ALWAYS}})

    @pytest.mark.parametrize(
        "asked",
        [
            attributes("delete"),
            attributes("delete", propagation_policy="Background"),
            attributes("delete", propagation_policy="Foreground"),
            attributes("delete", orphan_dependents=False),
            attributes("create", resource=PODS, subresource="eviction", obj={}),
        ],
    )
    async def test_an_owner_stays_while_it_would_take_protected_objects_along(self, asked: Any) -> None:
        assert plugin.handles(asked)
        lookup = ScriptedLookup(workload(uid="u"), taken_along=[self.PROTECTED])
        verdict = await plugin.validate(asked, lookup)
        assert verdict.rule == DEPENDENTS_RULE
        assert "secrets shop/s (label fleetgate.io/delete-protection=Always)" in verdict.message
        assert lookup.asked == {"old": 1, "taken_along u": 1}

    async def test_others_may_go_along(self) -> None:
        lookup = ScriptedLookup(workload(uid="u"), taken_along=[(SECRETS, {"metadata": {"name": "s"}})])
        assert (await plugin.validate(attributes("delete"), lookup)).allowed

    async def test_it_goes_when_it_leaves_them_behind(self) -> None:
        asked = attributes("delete", propagation_policy="Orphan")
        lookup = ScriptedLookup(workload(uid="u"), taken_along=[self.PROTECTED])
        assert (await plugin.validate(asked, lookup)).allowed
        assert lookup.asked == {"old": 1}

    async def test_unknown_dependents_keep_it(self) -> None:
        lookup = ScriptedLookup(workload(uid="u"), taken_along=service_unavailable("the store is down"))
        verdict = await plugin.validate(attributes("delete"), lookup)
        assert verdict.rule == CONTENT_UNKNOWN_RULE
        assert "the store is down" in verdict.message

    async def test_a_deletion_that_was_to_leave_them_behind_is_not_turned_into_one_that_does_not(self) -> None:
        going = workload(uid="u", finalizers=["orphan"], **GOING)
        asked = attributes("delete", propagation_policy="Background")
        assert not (await plugin.validate(asked, ScriptedLookup(going, taken_along=[self.PROTECTED]))).allowed
        assert (await plugin.validate(attributes("delete"), ScriptedLookup(going))).allowed
        lookup = ScriptedLookup(workload(uid="u", **GOING), taken_along=[self.PROTECTED])
        assert (await plugin.validate(asked, lookup)).allowed

    async def test_a_definition_takes_along_what_its_objects_own(self) -> None:
        crd = definition()
        crd["metadata"]["uid"] = "crd"
        lookup = ScriptedLookup(crd, instances=[{"metadata": {"uid": "one"}}], taken_along=[self.PROTECTED])
        asked = attributes("delete", resource=DEFINITIONS, namespace="", propagation_policy="Orphan")
        verdict = await plugin.validate(asked, lookup)
        assert verdict.rule == DEPENDENTS_RULE
        assert "--cascade" not in verdict.message
        assert lookup.asked["taken_along crd one"] == 1

    async def test_what_is_not_there_takes_nothing_along(self) -> None:
        lookup = ScriptedLookup(None)
        assert (await plugin.validate(attributes("delete", resource=CONFIG_MAPS), lookup)).allowed
        assert lookup.asked == {"old": 1}
