"""What writers of a definition's status may say, and what of it is the store's own."""

from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import MERGE, context, create_crd, definition, read, refusal, widget_crd

KEY = ObjectKey("", "widgets.x.io")
OTHER = {"type": "Terminating", "status": "False", "reason": "r", "message": "m", "lastTransitionTime": None}


def crds(registry: Registry) -> ResourceDefinition:
    return definition(registry, "apiextensions.k8s.io/v1", "customresourcedefinitions")


def serves_widgets(registry: Registry) -> bool:
    return any(kind.gvr.resource == "widgets" for kind in registry.resources())


UNTRUE: list[dict[str, Any]] = [
    {"conditions": None},
    {"conditions": [{"type": "Established", "status": "False", "reason": "r", "message": "m"}]},
    {"conditions": [{"type": "NamesAccepted", "status": "False", "reason": "r", "message": "m"}]},
    {"acceptedNames": {"plural": "others", "kind": "Other"}},
    {"acceptedNames": None, "storedVersions": None},
]


@pytest.mark.parametrize("status", UNTRUE)
async def test_names_and_their_acceptance_are_the_stores_own(registry: Registry, status: JsonObject) -> None:
    await create_crd(registry, widget_crd())
    before = read(registry, crds(registry), KEY.name)["status"]
    written = await registry.patch(crds(registry), KEY, MERGE, {"status": status}, context(), subresource="status")
    assert written.obj["status"] == before
    assert serves_widgets(registry)


async def test_an_empty_status_is_filled_in_again(registry: Registry) -> None:
    made = await create_crd(registry, widget_crd())
    emptied = {**made, "status": {}}
    written = await registry.update(crds(registry), KEY, emptied, context(), subresource="status")
    assert written.obj["status"] == made["status"]


async def test_other_conditions_are_their_writers(registry: Registry) -> None:
    made = await create_crd(registry, widget_crd())
    conditions = [*made["status"]["conditions"], OTHER]
    patch = {"status": {"conditions": [OTHER]}}
    written = await registry.patch(crds(registry), KEY, MERGE, patch, context(), subresource="status")
    assert written.obj["status"]["conditions"] == conditions


async def test_a_version_that_objects_may_be_stored_in_stays(registry: Registry) -> None:
    await create_crd(registry, widget_crd())
    first = widget_crd()["spec"]["versions"][0]
    second = {**first, "name": "v2"}
    both = {"spec": {"versions": [{**first, "storage": False}, second]}}
    await registry.patch(crds(registry), KEY, MERGE, both, context())
    with pytest.raises(ApiError) as error:
        await registry.patch(crds(registry), KEY, MERGE, {"spec": {"versions": [second]}}, context())
    assert refusal(error) == (
        422,
        "Invalid",
        'CustomResourceDefinition.apiextensions.k8s.io "widgets.x.io" is invalid: status.storedVersions[0]: Invalid '
        'value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in '
        "spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from "
        "status.storedVersions",
    )
    migrated = {"status": {"storedVersions": ["v2"]}}
    await registry.patch(crds(registry), KEY, MERGE, migrated, context(), subresource="status")
    await registry.patch(crds(registry), KEY, MERGE, {"spec": {"versions": [second]}}, context())
