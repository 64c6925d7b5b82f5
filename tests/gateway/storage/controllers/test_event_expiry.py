from gateway.storage.controllers.event_expiry import EventExpiry
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import config_map, create, definition, names
from tests.gateway.storage.conftest import Clock


async def test_events_expire_an_hour_after_their_last_write(registry: Registry, clock: Clock) -> None:
    def event(name: str) -> dict[str, object]:
        involved = {"kind": "Pod", "name": "x", "namespace": "default"}
        return {"kind": "Event", "apiVersion": "v1", "metadata": {"name": name}, "involvedObject": involved}

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
