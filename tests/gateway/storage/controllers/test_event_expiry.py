import pytest

from admission.protection_labels import FLEETGATE_LABEL, KARMADA_LABEL, KRUISE_LABEL
from gateway.apimachinery.meta import ObjectKey
from gateway.storage.controllers.event_expiry import EventExpiry
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import MERGE, config_map, context, create, definition, names
from tests.gateway.storage.conftest import Clock


def event(name: str, **labels: str) -> dict[str, object]:
    involved = {"kind": "Pod", "name": "x", "namespace": "default"}
    metadata = {"name": name, "labels": labels} if labels else {"name": name}
    return {"kind": "Event", "apiVersion": "v1", "metadata": metadata, "involvedObject": involved}


async def test_events_expire_an_hour_after_their_last_write(registry: Registry, clock: Clock) -> None:
    expiry = EventExpiry(registry, clock)
    await create(registry, event("old"))
    await create(registry, config_map())
    clock.now += 3000
    await create(registry, event("young"))
    await expiry.expire()
    events = definition(registry, "v1", "events")
    assert await names(registry, events) == ["old", "young"]
    clock.now += 601
    await expiry.expire()
    assert await names(registry, events) == ["young"]
    assert "a" in await names(registry, definition(registry, "v1", "configmaps"))


@pytest.mark.parametrize("label", [FLEETGATE_LABEL, KARMADA_LABEL, KRUISE_LABEL])
async def test_an_event_that_a_label_protects_stays_until_the_label_goes(
    registry: Registry, clock: Clock, label: str
) -> None:
    expiry = EventExpiry(registry, clock)
    events = definition(registry, "v1", "events")
    await create(registry, event("kept", **{label: "Always"}))
    await create(registry, event("misspelled", **{label: "always"}))
    clock.now += 3601
    await expiry.expire()
    assert await names(registry, events) == ["kept"]
    await registry.patch(events, ObjectKey("default", "kept"), MERGE, {"metadata": {"labels": None}}, context())
    await expiry.expire()
    assert await names(registry, events) == ["kept"]
    clock.now += 3601
    await expiry.expire()
    assert await names(registry, events) == []
