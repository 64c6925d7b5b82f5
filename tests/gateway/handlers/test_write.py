import asyncio
import errno
import os
from typing import Any

import pytest

from gateway.apimachinery.errors import ApiError, already_exists
from gateway.apimachinery.patch.patch import MERGE_PATCH
from gateway.apimachinery.schema import GroupResource
from gateway.write_request import WriteRequest
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import DEPLOYMENT, DEPLOYMENTS, POD, PODS, WEB, Gateway, pod, workload

GENERATED = {"kind": "Pod", "apiVersion": "v1", "metadata": {"generateName": "web-"}}


async def test_a_write_is_announced_before_and_reported_after(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT)
    seen: list[Any] = []

    async def look(request: WriteRequest) -> None:
        seen.extend(gateway.events())

    target.before_apply = look
    result = await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
    assert (result.code, result.obj and result.obj["spec"]) == (201, {"replicas": 3})
    (intent,) = seen
    assert (intent["stage"], intent["annotations"]) == ("RequestReceived", {"audit.fleetgate.io/intent": "true"})
    _, outcome = gateway.events()
    assert (outcome["stage"], outcome["responseStatus"]["code"], outcome["level"]) == (
        "ResponseComplete",
        201,
        "Request",
    )
    assert outcome["requestObject"] == workload(3)
    assert outcome["objectRef"]["name"] == "web"
    assert outcome["objectRef"]["uid"] == "uid-web"
    assert outcome["annotations"] == {
        "audit.fleetgate.io/state": "applied",
        "audit.fleetgate.io/resource-version": "101",
    }


async def test_what_the_store_refuses_is_reported_as_not_applied(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT, workload(3))
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
    assert refused.value.reason == "AlreadyExists"
    _, outcome = gateway.events()
    assert outcome["responseStatus"]["code"] == 409
    assert outcome["annotations"]["audit.fleetgate.io/state"] == "not-applied"


async def test_what_cannot_be_announced_is_not_applied(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = MemoryTarget(DEPLOYMENT, workload(3))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwritev", full)
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", WEB)
    assert (refused.value.code, refused.value.headers["Retry-After"]) == (503, "5")
    assert target.asked["apply"] == 0
    await gateway.audit.check()
    await gateway.send(target, "DELETE", WEB, audit_id="id-2")
    assert [event["responseStatus"]["code"] for event in gateway.events("id-1")] == [503]
    assert target.objects == {}


async def test_what_was_applied_but_cannot_be_reported_is_an_error_with_the_id(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = MemoryTarget(DEPLOYMENT)
    with monkeypatch.context() as patched:

        async def break_disk(request: WriteRequest) -> None:
            def failing(*_: object) -> None:
                raise OSError(errno.EIO, "Input/output error")

            patched.setattr(os, "pwritev", failing)

        target.before_apply = break_disk
        with pytest.raises(ApiError) as answered:
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
    assert answered.value.code == 500
    assert "audit id id-1" in answered.value.message
    with pytest.raises(ApiError, match="nothing was changed"):
        await gateway.send(MemoryTarget(DEPLOYMENT), "POST", DEPLOYMENTS, workload(3), audit_id="id-2")
    await gateway.audit.check()
    assert gateway.events("id-1")[-1]["annotations"]["audit.fleetgate.io/state"] == "applied"


async def test_a_dry_run_writes_nothing_and_is_recorded_once(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT)
    result = await gateway.send(target, "POST", DEPLOYMENTS, workload(3), query={"dryRun": "All"})
    assert result.code == 201
    assert target.objects == {}
    (event,) = gateway.events()
    assert event["responseStatus"]["code"] == 201


async def test_a_client_that_goes_away_changes_nothing_about_the_write(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT)
    gate = asyncio.Event()

    async def wait(request: WriteRequest) -> None:
        await gate.wait()

    target.before_apply = wait
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
    gate.set()
    await gateway.handler.drain()
    assert len(target.objects) == 1
    assert [event["stage"] for event in gateway.events()] == ["RequestReceived", "ResponseComplete"]
    assert gateway.events()[1]["annotations"]["audit.fleetgate.io/state"] == "applied"


class TestGeneratedNames:
    async def test_the_name_is_known_before_the_write(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD)
        await gateway.send(target, "POST", PODS, GENERATED)
        (request,) = target.applied
        assert request.name == "web-00000"
        assert b'"name":"web-00000"' in request.body
        intent, outcome = gateway.events()
        assert intent["objectRef"]["name"] == outcome["objectRef"]["name"] == "web-00000"

    async def test_a_taken_name_is_replaced_and_announced_anew(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD, pod("web-00000"), pod("web-00001"))
        result = await gateway.send(target, "POST", PODS, GENERATED)
        assert (result.obj or {})["metadata"]["name"] == "web-00002"
        names = [(event["stage"], event["objectRef"]["name"]) for event in gateway.events()]
        assert names == [
            ("RequestReceived", "web-00000"),
            ("RequestReceived", "web-00001"),
            ("RequestReceived", "web-00002"),
            ("ResponseComplete", "web-00002"),
        ]

    async def test_after_eight_attempts_it_is_given_up(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD)
        target.failures = [already_exists(GroupResource("", "pods"), f"web-{number:05}") for number in range(20)]
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "POST", PODS, GENERATED)
        assert target.asked["apply"] == 8
        assert refused.value.message == (
            'pods "web-00007" already exists, the server was not able to generate a unique name for the object'
        )
        assert refused.value.headers["Retry-After"] == "1"

    async def test_a_name_that_was_given_is_kept(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD, pod("p"))
        body = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "generateName": "web-"}}
        with pytest.raises(ApiError, match=r'pods "p" already exists$'):
            await gateway.send(target, "POST", PODS, body)
        assert target.asked["apply"] == 1

    async def test_nonsense_in_its_place_is_left_to_the_store(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD)
        target.failures = [ApiError(422, "Invalid", "name or generateName is required")]
        with pytest.raises(ApiError, match="name or generateName"):
            await gateway.send(target, "POST", PODS, {"metadata": {"generateName": 7}})


async def test_options_of_a_delete_are_recorded(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT, workload(3))
    await gateway.send(target, "DELETE", WEB, {"gracePeriodSeconds": 0, "propagationPolicy": "Orphan"})
    assert gateway.events()[1]["requestObject"] == {
        "kind": "DeleteOptions",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Orphan",
    }


async def test_patches_are_recorded_as_they_are(gateway: Gateway) -> None:
    target = MemoryTarget(DEPLOYMENT, workload(3))
    patch = {"metadata": {"labels": {"a": "b"}}}
    await gateway.send(target, "PATCH", WEB, patch, content_type=MERGE_PATCH)
    assert gateway.events()[1]["requestObject"] == patch


async def test_a_secret_never_reaches_the_log(gateway: Gateway) -> None:
    target = MemoryTarget(POD)
    body = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"password": "Y2FuYXJ5"}}
    await gateway.send(target, "POST", "/api/v1/namespaces/shop/secrets", body)
    assert "Y2FuYXJ5" not in str(gateway.events())
    assert len(gateway.events()) == 2
