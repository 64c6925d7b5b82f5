from gateway.apimachinery.meta import JsonObject
from gateway.storage.strategies.daemon_sets import (
    TEMPLATE_GENERATION,
    prepare_changed_daemon_set,
    prepare_new_daemon_set,
)


def daemon_set(image: str, **annotations: str) -> JsonObject:
    return {"metadata": {"annotations": annotations}, "spec": {"template": {"image": image}, "paused": image}}


def count(obj: JsonObject) -> str:
    return str(obj["metadata"]["annotations"][TEMPLATE_GENERATION])


def test_versions_of_the_template_are_counted() -> None:
    old = daemon_set("a")
    prepare_new_daemon_set(old)
    assert count(old) == "1"
    same = daemon_set("a", mine="kept")
    prepare_changed_daemon_set(same, old)
    assert same["metadata"]["annotations"] == {"mine": "kept", TEMPLATE_GENERATION: "1"}
    changed = daemon_set("b", **{TEMPLATE_GENERATION: "40"})
    prepare_changed_daemon_set(changed, old)
    assert count(changed) == "2"
