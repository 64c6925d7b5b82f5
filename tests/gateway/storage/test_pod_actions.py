import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject, ObjectKey
from gateway.storage.interface import StoredObject
from gateway.storage.pod_actions import PodActions
from gateway.storage.registry import Registry
from tests.gateway.storage.builders import MERGE, context, create, definition, exists, pod, read, refusal

P = ObjectKey("default", "p")
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
EVICTION = {"metadata": {"name": "p"}}


@pytest.fixture
def actions(member: Registry) -> PodActions:
    return member.pod_actions(definition(member, "v1", "pods"))


def shown(member: Registry) -> JsonObject:
    return read(member, definition(member, "v1", "pods"), "p")


def conditions(obj: JsonObject) -> dict[str, str]:
    return {entry["type"]: entry["status"] for entry in obj["status"].get("conditions", [])}


async def test_a_pod_is_bound_once(member: Registry, actions: PodActions) -> None:
    await create(member, pod())
    assert (await actions.bind(P, BINDING, context()))["status"] == "Success"
    bound = shown(member)
    assert (bound["spec"]["nodeName"], bound["metadata"]["generation"]) == ("n1", 1)
    assert conditions(bound) == {"PodScheduled": "True"}
    with pytest.raises(ApiError) as again:
        await actions.bind(P, BINDING, context())
    assert refusal(again) == (
        409,
        "Conflict",
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1"',
    )


async def test_what_cannot_be_bound(actions: PodActions) -> None:
    with pytest.raises(ApiError, match='pods "p" not found'):
        await actions.bind(P, BINDING, context())
    with pytest.raises(ApiError, match="Required value"):
        await actions.bind(P, {"target": {}}, context())


async def test_an_evicted_pod_is_going(member: Registry, actions: PodActions) -> None:
    await create(member, pod(nodeName="n"))
    assert (await actions.evict(P, EVICTION, context()))["code"] == 201
    evicted = shown(member)
    assert evicted["metadata"]["deletionGracePeriodSeconds"] == 30
    assert conditions(evicted)["DisruptionTarget"] == "True"


async def test_an_eviction_names_its_pod(actions: PodActions) -> None:
    with pytest.raises(ApiError) as wrong:
        await actions.evict(P, {"metadata": {"name": "q"}}, context())
    assert refusal(wrong) == (400, "BadRequest", "name in URL does not match name in Eviction object")
    with pytest.raises(ApiError, match='pods "p" not found'):
        await actions.evict(P, EVICTION, context())


async def test_a_dry_eviction_leaves_the_pod_alone(member: Registry, actions: PodActions) -> None:
    await create(member, pod(nodeName="n"))
    await actions.evict(P, EVICTION, context(dry_run=True))
    assert "deletionTimestamp" not in shown(member)["metadata"]
    assert conditions(shown(member)) == {}


@pytest.mark.parametrize(
    ("selector", "status", "allowed"),
    [
        ({"matchLabels": {"app": "web"}}, None, False),
        ({"matchLabels": {"app": "web"}}, {"observedGeneration": 1, "disruptionsAllowed": 0}, False),
        ({"matchLabels": {"app": "web"}}, {"observedGeneration": 1, "disruptionsAllowed": 1}, True),
        ({"matchLabels": {"app": "db"}}, None, True),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, None, False),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, None, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, None, False),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, None, True),
    ],
)
async def test_disruption_budgets_are_held(
    member: Registry, actions: PodActions, selector: JsonObject, status: JsonObject | None, allowed: bool
) -> None:
    web = pod(nodeName="n")
    web["metadata"]["labels"] = {"app": "web"}
    await create(member, web)
    spec = {"minAvailable": 1, "selector": selector}
    await create(
        member, {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "b"}, "spec": spec}
    )
    if status is not None:
        budgets = definition(member, "policy/v1", "poddisruptionbudgets")
        key = ObjectKey("default", "b")
        await member.patch(budgets, key, MERGE, {"status": status}, context(), subresource="status")
    if allowed:
        await actions.evict(P, EVICTION, context())
        return
    with pytest.raises(ApiError) as error:
        await actions.evict(P, EVICTION, context())
    assert refusal(error) == (
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    )
    assert error.value.details["causes"][0]["reason"] == "DisruptionBudget"
    assert exists(member, definition(member, "v1", "pods"), "p")


@pytest.mark.parametrize(
    "selector", [{"matchExpressions": [{"key": "app", "operator": "Near"}]}, {"matchLabels": ["app"]}]
)
async def test_a_budget_that_cannot_be_read_holds_all(
    member: Registry, actions: PodActions, selector: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(member, pod(nodeName="n"))
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    await create(
        member, {"kind": "PodDisruptionBudget", "apiVersion": "policy/v1", "metadata": {"name": "b"}, "spec": spec}
    )
    decode = StoredObject.decode

    def damaged(stored: StoredObject) -> JsonObject:
        obj = decode(stored)
        return obj | {"spec": {"selector": selector}} if "minAvailable" in obj["spec"] else obj

    monkeypatch.setattr(StoredObject, "decode", damaged)
    with pytest.raises(ApiError, match="the selector of the disruption budget b cannot be read"):
        await actions.evict(P, EVICTION, context())
    assert exists(member, definition(member, "v1", "pods"), "p")
