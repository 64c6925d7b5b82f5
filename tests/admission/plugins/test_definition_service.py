from typing import Any

import pytest

from admission.config import DeleteProtectionConfig
from admission.plugins.definition_service import UNSERVED_RULE, DefinitionService
from admission.plugins.delete_protection import CONTENT_UNKNOWN_RULE
from gateway.apimachinery.errors import service_unavailable
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH
from tests.admission.support import (
    CLONE_SETS,
    DEFINITIONS,
    ScriptedLookup,
    attributes,
    established,
    version,
    workload,
)

OLD = established()
HIDDEN = established(version(served=False))
UNESTABLISHED = OLD | {"status": OLD["status"] | {"conditions": []}}
UNTRUE = OLD | {"status": OLD["status"] | {"conditions": [], "storedVersions": []}}
ASKED = attributes("update", resource=DEFINITIONS, name="clonesets.apps.kruise.io", namespace="", obj=HIDDEN)
PROTECTED = workload(labels={"fleetgate.io/delete-protection": "Always"})


def plugin(*, enabled: bool = True) -> DefinitionService:
    return DefinitionService(DeleteProtectionConfig(enabled=enabled))


def patch(kind: str, body: Any, subresource: str = "") -> Any:
    return attributes("patch", resource=DEFINITIONS, patch_type=kind, patch=body, subresource=subresource)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (ASKED, True),
        (patch(APPLY_PATCH, HIDDEN), True),
        (patch(JSON_PATCH, [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]), True),
        (patch(MERGE_PATCH, {"status": None}, "status"), True),
        (attributes("update", resource=DEFINITIONS, obj=UNESTABLISHED, subresource="status"), True),
        (patch(MERGE_PATCH, {"metadata": {}}), False),
        (attributes("create", resource=DEFINITIONS, obj=HIDDEN), False),
        (attributes("delete", resource=DEFINITIONS), False),
        (attributes("update", resource=CLONE_SETS, obj=workload()), False),
    ],
)
def test_only_changes_of_definitions_and_their_status_are_looked_into(asked: Any, expected: bool) -> None:
    assert plugin().handles(asked) is expected
    assert not plugin(enabled=False).handles(asked)


@pytest.mark.parametrize("new", [HIDDEN, UNESTABLISHED])
async def test_a_kind_with_protected_objects_stays_served(new: Any) -> None:
    verdict = await plugin().validate(ASKED, ScriptedLookup(OLD, new=new, instances=[workload(), PROTECTED]))
    assert verdict.rule == UNSERVED_RULE
    assert verdict.message == (
        "clonesets.apps.kruise.io would not be served any more, while objects of it are protected: "
        "clonesets.apps.kruise.io shop/web (label fleetgate.io/delete-protection=Always); remove those labels first"
    )


async def test_a_kind_without_protected_objects_need_not_be_served() -> None:
    lookup = ScriptedLookup(OLD, new=HIDDEN, instances=[workload()])
    assert (await plugin().validate(ASKED, lookup)).allowed
    assert lookup.asked["instances clonesets.apps.kruise.io"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OLD, established(version(), version("v2"))),
        (established(version(), version("v2")), established(version(served=False), version("v2"))),
        (HIDDEN, OLD),
        (HIDDEN, HIDDEN),
    ],
)
async def test_a_change_that_unserves_nothing_costs_no_listing(old: Any, new: Any) -> None:
    lookup = ScriptedLookup(old, new=new, instances=[PROTECTED])
    assert (await plugin().validate(ASKED, lookup)).allowed
    assert lookup.asked == {"old": 1, "new": 1}


async def test_what_cannot_be_listed_is_served_on() -> None:
    lookup = ScriptedLookup(OLD, new=HIDDEN, instances=service_unavailable("the store is away"))
    verdict = await plugin().validate(ASKED, lookup)
    assert verdict.rule == CONTENT_UNKNOWN_RULE
    assert "the store is away" in verdict.message


@pytest.mark.parametrize("old", [OLD, HIDDEN])
async def test_nobody_makes_it_look_as_if_there_had_never_been_objects(old: Any) -> None:
    verdict = await plugin().validate(ASKED, ScriptedLookup(old, new=UNTRUE))
    assert verdict.rule == CONTENT_UNKNOWN_RULE
    assert "never had objects" in verdict.message


@pytest.mark.parametrize("old", [None, OLD | {"metadata": {"deletionTimestamp": "x"}}, UNTRUE])
async def test_without_objects_it_is_not_judged(old: Any) -> None:
    lookup = ScriptedLookup(old, new=HIDDEN, instances=[PROTECTED])
    assert (await plugin().validate(ASKED, lookup)).allowed
    assert lookup.asked == {"old": 1}
