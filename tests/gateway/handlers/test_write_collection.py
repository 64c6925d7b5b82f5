import asyncio
import json
from functools import partial
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.apimachinery.errors import ApiError, not_found, service_unavailable
from gateway.apimachinery.schema import GroupResource
from gateway.handlers.write_decoding import CACHED_FROM_CLUSTER
from gateway.write_request import OutcomeUnknown, Precondition, WriteRequest, WriteResult
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import POD, PODS, Gateway, pod

PROTECTED = {"fleetgate.io/delete-protection": "Always"}
STATE = "audit.fleetgate.io/state"


def pods(count: int, *, protected: int | None = None) -> MemoryTarget:
    objects = [
        pod(f"p{number:02}", labels={"half": str(number % 2), **(PROTECTED if number == protected else {})})
        for number in range(count)
    ]
    return MemoryTarget(POD, *objects)


def outcomes(gateway: Gateway) -> dict[str, Any]:
    return {
        event["objectRef"].get("name", "*"): (event["responseStatus"]["code"], event["annotations"][STATE])
        for event in gateway.events()
        if event["stage"] == "ResponseComplete"
    }


async def test_one_protected_object_keeps_all_of_them(gateway: Gateway) -> None:
    target = pods(50, protected=17)
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", PODS)
    assert refused.value.code == 403
    assert refused.value.message.startswith(
        "pods is forbidden: nothing was deleted, 1 of 50 objects are refused: p17. This resource is protected"
    )
    assert len(target.objects) == 50
    (event,) = gateway.events()
    assert (event["verb"], event["responseStatus"]["code"]) == ("deletecollection", 403)


async def test_only_what_matches_is_judged(gateway: Gateway) -> None:
    target = pods(10, protected=3)
    await gateway.send(target, "DELETE", PODS, query={"labelSelector": "half=0"})
    assert sorted(key.name for key in target.objects) == ["p01", "p03", "p05", "p07", "p09"]


async def test_many_refusals_are_counted(gateway: Gateway) -> None:
    target = MemoryTarget(POD, *(pod(f"p{number:02}", labels=PROTECTED) for number in range(23)))
    with pytest.raises(ApiError, match=r"23 of 23 objects are refused: p00, .* and 3 more"):
        await gateway.send(target, "DELETE", PODS)


async def test_each_deletion_has_events_of_its_own_that_name_the_whole(gateway: Gateway) -> None:
    target = MemoryTarget(POD, pod("p0", annotations={CACHED_FROM_CLUSTER: "m1"}), pod("p1"))
    result = await gateway.send(target, "DELETE", PODS, {"gracePeriodSeconds": 0})
    assert target.objects == {}
    assert result.obj is not None
    assert (result.code, result.obj["kind"], result.obj["apiVersion"]) == (200, "PodList", "v1")
    assert [item["metadata"]["name"] for item in result.obj["items"]] == ["p0", "p1"]
    parent = gateway.events("id-1")
    assert [event["stage"] for event in parent] == ["RequestReceived", "ResponseComplete"]
    child_intent, child_outcome = gateway.events("id-1.0")
    assert child_intent["verb"] == child_outcome["verb"] == "delete"
    assert child_intent["annotations"]["audit.fleetgate.io/parentAuditID"] == "id-1"
    assert child_intent["annotations"]["audit.fleetgate.io/cluster"] == "m1"
    assert child_intent["objectRef"] == {
        "resource": "pods",
        "namespace": "shop",
        "name": "p0",
        "uid": "uid-p0",
        "apiVersion": "v1",
        "resourceVersion": "101",
    }
    assert "audit.fleetgate.io/cluster" not in gateway.events("id-1.1")[0]["annotations"]


async def test_a_deletion_of_the_collection_is_an_ordinary_deletion(gateway: Gateway) -> None:
    target = pods(1)
    query = {"labelSelector": "half=0", "gracePeriodSeconds": "7", "limit": "5"}
    await gateway.send(target, "DELETE", PODS, query=query)
    (request,) = target.applied
    assert (request.verb, request.name, request.scope.audit_id) == ("delete", "p00", "id-1.0")
    assert (request.scope.info.verb, request.scope.info.name) == ("delete", "p00")
    assert request.scope.info.path == f"{PODS}/p00"
    assert request.scope.info.parts == ("pods", "p00")
    assert request.scope.query == {"gracePeriodSeconds": "7"}
    assert request.delete.grace_period_seconds == 7


async def test_nothing_matched_is_an_empty_list(gateway: Gateway) -> None:
    result = await gateway.send(MemoryTarget(POD), "DELETE", PODS)
    assert (result.obj or {})["items"] == []
    assert outcomes(gateway) == {"*": (200, "applied")}


@pytest.mark.parametrize("count", [0, 1, 4])
async def test_the_answer_is_one_document(gateway: Gateway, count: int) -> None:
    result = await gateway.send(pods(count), "DELETE", PODS)
    assert json.loads(result.body) == result.obj
    assert result.body.endswith(b"]}\n")
    assert result.body.count(b"\n") == 1


async def test_a_large_answer_is_never_held_in_one_piece(gateway: Gateway) -> None:
    target = MemoryTarget(POD, *(pod(f"p{number}", annotations={"a": "x" * 100_000}) for number in range(15)))
    result = await gateway.send(target, "DELETE", PODS)
    assert result.body == b""
    assert [json.loads(entry) for entry in result.entries] == (result.obj or {})["items"]
    assert len(result.entries) == 15


async def test_a_limit_is_kept(gateway: Gateway) -> None:
    target = pods(5)
    await gateway.send(target, "DELETE", PODS, query={"limit": "2"})
    assert len(target.objects) == 3
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", PODS, query={"limit": "two"}, audit_id="id-2")
    assert refused.value.code == 400


async def test_others_have_their_turn_while_many_are_judged(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.apimachinery.turns.TURN", 0.0)
    turns, ended = 0, False

    async def others() -> None:
        nonlocal turns
        while not ended:
            turns += 1
            await asyncio.sleep(0)

    running = asyncio.get_running_loop().create_task(others())
    with pytest.raises(ApiError, match="nothing was deleted"):
        await gateway.send(pods(200, protected=199), "DELETE", PODS)
    ended = True
    await running
    assert turns > 400, "once for each object when it is looked for, and once when it is judged"


async def test_objects_of_all_namespaces_are_not_deleted_at_once(gateway: Gateway) -> None:
    target = pods(2)
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", "/api/v1/pods")
    assert (refused.value.code, len(target.objects)) == (405, 2)


async def test_what_is_gone_already_is_no_failure(gateway: Gateway) -> None:
    target = pods(3)
    target.failures = [not_found(GroupResource("", "pods"), "p00")]
    result = await gateway.send(target, "DELETE", PODS)
    assert len((result.obj or {})["items"]) == 2
    assert outcomes(gateway)["*"] == (200, "applied")


async def test_it_stops_at_the_first_failure_and_says_what_became_of_each(gateway: Gateway) -> None:
    target = pods(5)
    calls = []

    async def fail_third(request: WriteRequest) -> None:
        calls.append(request.name)
        if len(calls) == 3:
            raise service_unavailable("the member is gone")

    target.before_apply = fail_third
    with pytest.raises(ApiError) as failed:
        await gateway.send(target, "DELETE", PODS)
    assert failed.value.code == 503
    assert outcomes(gateway) == {
        "p00": (200, "applied"),
        "p01": (200, "applied"),
        "p02": (503, "not-applied"),
        "p03": (503, "not-applied"),
        "p04": (503, "not-applied"),
        "*": (503, "partly-applied"),
    }
    await gateway.send(target, "DELETE", PODS, audit_id="id-2")
    assert target.objects == {}


async def test_silence_about_one_object_is_doubt_about_that_one(gateway: Gateway) -> None:
    target = pods(2)
    target.failures = [OutcomeUnknown("no answer")]
    with pytest.raises(ApiError) as failed:
        await gateway.send(target, "DELETE", PODS)
    assert failed.value.code == 504
    assert outcomes(gateway) == {"p00": (504, "in-doubt"), "p01": (504, "not-applied"), "*": (504, "in-doubt")}


async def test_a_bug_ends_it_with_an_error_that_says_nothing_inside(gateway: Gateway) -> None:
    target = pods(2)
    target.failures = [RuntimeError("detail")]
    with pytest.raises(ApiError) as failed:
        await gateway.send(target, "DELETE", PODS)
    assert failed.value.message == "Internal error occurred: deleting shop/p00 failed"
    assert len(target.objects) == 2


async def test_a_protection_that_came_in_between_stops_it_there(gateway: Gateway) -> None:
    target = pods(3)

    async def protect(request: WriteRequest) -> None:
        if request.name == "p01" and not target.asked["read"]:
            target.edit(request.key, labels=PROTECTED)

    target.before_apply = protect
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", PODS)
    assert refused.value.code == 403
    assert sorted(key.name for key in target.objects) == ["p01", "p02"]
    assert outcomes(gateway)["p01"] == (403, "not-applied")


async def _result(future: asyncio.Future[bytes]) -> bytes:
    return await future


class ShownLate(MemoryTarget):
    """Reads show none of what was deleted before all of it is."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pending: list[asyncio.Future[bytes]] = []

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        result = await super().apply(request, precondition)
        self.pending.append(asyncio.get_running_loop().create_future())
        if not self.objects:
            asyncio.get_running_loop().call_later(0.05, self.show)
        return replace(result, shown=partial(_result, self.pending[-1]))

    def show(self) -> None:
        for number, future in enumerate(self.pending):
            if number % 2:
                future.set_exception(RuntimeError("no such luck"))
            else:
                future.set_result(b"")


async def test_all_are_deleted_before_any_is_waited_for_and_all_are_before_the_answer(gateway: Gateway) -> None:
    target = ShownLate(POD, *(pod(f"p{number}") for number in range(5)))
    async with asyncio.timeout(10):
        result = await gateway.send(target, "DELETE", PODS)
    assert len((result.obj or {})["items"]) == 5
    assert all(future.done() for future in target.pending)


async def test_what_was_deleted_before_a_refusal_is_waited_for_as_well(gateway: Gateway) -> None:
    target = ShownLate(POD, *(pod(f"p{number}") for number in range(3)))

    async def refuse(request: WriteRequest) -> None:
        if request.name == "p2":
            asyncio.get_running_loop().call_later(0.05, target.show)
            raise service_unavailable("no")

    target.before_apply = refuse
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "DELETE", PODS)
    assert refused.value.code == 503
    assert len(target.pending) == 2
    assert all(future.done() for future in target.pending)


async def test_the_deadline_holds_between_objects(gateway: Gateway) -> None:
    target = pods(3)
    deadline = asyncio.get_running_loop().time() - 1
    with pytest.raises(ApiError) as late:
        await gateway.send(target, "DELETE", PODS, deadline=deadline)
    assert late.value.code == 504
    assert "3 of 3 objects were not deleted in time" in late.value.message
    assert len(target.objects) == 3


@pytest.mark.parametrize("protected", [None, 1])
async def test_a_dry_run_judges_the_same_and_deletes_nothing(gateway: Gateway, protected: int | None) -> None:
    target = pods(3, protected=protected)
    if protected is None:
        result = await gateway.send(target, "DELETE", PODS, {"dryRun": ["All"]})
        assert len((result.obj or {})["items"]) == 3
    else:
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", PODS, {"dryRun": ["All"]})
        assert refused.value.code == 403
    assert len(target.objects) == 3
    assert len(gateway.events()) == 1


async def test_a_dry_run_fails_where_the_deletion_would(gateway: Gateway) -> None:
    target = pods(2)
    target.failures = [service_unavailable("down")]
    with pytest.raises(ApiError, match="down"):
        await gateway.send(target, "DELETE", PODS, {"dryRun": ["All"]})


async def test_a_misspelt_protection_is_warned_about_with_its_name(gateway: Gateway) -> None:
    target = MemoryTarget(POD, pod("p", labels={"fleetgate.io/delete-protection": "always"}))
    warnings: list[str] = []
    await gateway.send(target, "DELETE", PODS, warnings=warnings)
    assert warnings[0].startswith("p: label fleetgate.io/delete-protection=always does not protect")


async def test_a_failure_at_the_last_object_leaves_nothing_unattempted(gateway: Gateway) -> None:
    target = pods(2)

    async def fail_last(request: WriteRequest) -> None:
        if request.name == "p01":
            raise service_unavailable("gone")

    target.before_apply = fail_last
    with pytest.raises(ApiError):
        await gateway.send(target, "DELETE", PODS)
    assert outcomes(gateway) == {"p00": (200, "applied"), "p01": (503, "not-applied"), "*": (503, "partly-applied")}
