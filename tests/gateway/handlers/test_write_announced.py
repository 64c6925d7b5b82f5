import pytest

from gateway.apimachinery.errors import ApiError, PathNotFound, gateway_timeout, service_unavailable
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.patch.patch import MERGE_PATCH
from gateway.handlers.write_announced import DECISIONS
from gateway.write_request import OutcomeUnknown, Precondition, WriteRequest, WriteResult
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import DEPLOYMENT, DEPLOYMENTS, WEB, Gateway, workload

KEY = ObjectKey("shop", "web")
ALLOWED = {"fleetgate.io/allow-scale-down": "true"}
PROTECTED = {"fleetgate.io/delete-protection": "Always"}
SENDING = "rpc error: code = ResourceExhausted desc ="


class TestRaces:
    """The object changes between the judgement and the write."""

    async def test_a_harmless_change_is_judged_again_and_the_write_goes_through(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(10))
        changes = iter(["first", "second"])

        async def touch(request: WriteRequest) -> None:
            if change := next(changes, None):
                target.edit(KEY, labels={"changed": change})

        target.before_apply = touch
        await gateway.send(target, "PATCH", WEB, {"spec": {"replicas": 8}}, content_type=MERGE_PATCH)
        assert target.objects[KEY]["spec"]["replicas"] == 8
        assert target.objects[KEY]["metadata"]["labels"] == {"changed": "second"}
        versions = [event["objectRef"]["resourceVersion"] for event in gateway.events()]
        assert versions == ["101", "102", "103", "103"]

    @pytest.mark.parametrize("dry_run", [False, True])
    async def test_a_protection_that_came_in_between_holds(self, gateway: Gateway, dry_run: bool) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3))

        async def protect(request: WriteRequest) -> None:
            if not target.objects[KEY]["metadata"].get("labels"):
                target.edit(KEY, labels=PROTECTED)

        target.before_apply = protect
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", WEB, query={"dryRun": "All"} if dry_run else {})
        assert refused.value.code == 403
        assert KEY in target.objects
        *_, last = gateway.events()
        assert last["responseStatus"]["code"] == 403
        if not dry_run:
            assert last["annotations"]["audit.fleetgate.io/state"] == "not-applied"

    async def test_a_permission_that_was_taken_back_in_between_is_gone(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(10, annotations=ALLOWED))

        async def take_back(request: WriteRequest) -> None:
            if target.objects[KEY]["metadata"]["annotations"]:
                target.edit(KEY, annotations={})

        target.before_apply = take_back
        with pytest.raises(ApiError, match="scaling from 10 to 0"):
            await gateway.send(target, "PATCH", WEB, {"spec": {"replicas": 0}}, content_type=MERGE_PATCH)
        assert target.objects[KEY]["spec"]["replicas"] == 10

    async def test_an_object_that_never_rests_is_a_conflict(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3))
        target.before_apply = lambda request: _touch(target)
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", WEB)
        assert (refused.value.code, refused.value.reason) == (409, "Conflict")
        assert target.asked["apply"] == target.asked["read"] == DECISIONS
        assert gateway.events()[-1]["annotations"]["audit.fleetgate.io/state"] == "not-applied"

    async def test_an_object_that_is_gone_by_then_is_not_found(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3))

        async def touch(request: WriteRequest) -> None:
            target.edit(KEY, labels={})
            target.before_read = target.objects.clear

        target.before_apply = touch
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", WEB)
        assert refused.value.code == 404
        assert gateway.events()[-1]["annotations"]["audit.fleetgate.io/state"] == "not-applied"

    async def test_the_clients_own_version_is_its_own_conflict(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3))
        body = workload(3, resourceVersion="7")
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "PUT", WEB, body)
        assert (refused.value.code, target.asked["apply"]) == (409, 1)


async def _touch(target: MemoryTarget) -> None:
    target.edit(KEY, labels={})


class TestDoubt:
    """What became of the write is not known."""

    async def test_silence_is_told_to_the_client_and_the_log(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT)
        target.failures = [OutcomeUnknown("member m1 did not answer")]
        with pytest.raises(ApiError) as answered:
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
        assert answered.value.code == 504
        assert "member m1 did not answer; the request may or may not have been carried out" in answered.value.message
        assert "audit id id-1" in answered.value.message
        _, outcome = gateway.events()
        assert outcome["responseStatus"]["code"] == 504
        assert outcome["annotations"]["audit.fleetgate.io/state"] == "in-doubt"

    async def test_silence_of_a_dry_run_is_only_an_error(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT)
        target.failures = [OutcomeUnknown("no answer")]
        with pytest.raises(ApiError) as answered:
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3), query={"dryRun": "All"})
        assert answered.value.code == 504
        assert len(gateway.events()) == 1

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (gateway_timeout("the store took too long"), "in-doubt"),
            (ApiError(500, "", "etcdserver: request timed out"), "in-doubt"),
            (ApiError(500, "", "etcdserver: request is too large"), "not-applied"),
            (ApiError(500, "", f"{SENDING} trying to send message larger than max (9 vs. 8)"), "not-applied"),
            (ApiError(500, "", f"{SENDING} grpc: trying to send message larger than max (9 vs. 8)"), "in-doubt"),
            (ApiError(500, "", f"{SENDING} received message larger than max (9 vs. 8)"), "in-doubt"),
            (ApiError(500, "", "the answer was lost: etcdserver: request is too large"), "in-doubt"),
            (ApiError(504, "Timeout", "etcdserver: request is too large"), "in-doubt"),
            (service_unavailable("not reached"), "not-applied"),
            (ApiError(422, "Invalid", "no"), "not-applied"),
            (PathNotFound(), "not-applied"),
        ],
    )
    async def test_some_refusals_may_come_after_the_write(self, gateway: Gateway, error: Exception, state: str) -> None:
        target = MemoryTarget(DEPLOYMENT)
        target.failures = [error]
        with pytest.raises(type(error)):
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
        assert gateway.events()[-1]["annotations"]["audit.fleetgate.io/state"] == state

    async def test_a_bug_while_applying_leaves_doubt_and_no_details(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT)
        target.failures = [RuntimeError("internal detail")]
        with pytest.raises(RuntimeError):
            await gateway.send(target, "POST", DEPLOYMENTS, workload(3))
        outcome = gateway.events()[-1]
        assert outcome["annotations"]["audit.fleetgate.io/state"] == "in-doubt"
        assert outcome["responseStatus"]["code"] == 500
        assert "internal detail" not in str(outcome)


async def test_an_answer_without_a_decoded_object_is_passed_on_as_it_is(gateway: Gateway) -> None:
    class ByteTarget(MemoryTarget):
        async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
            return WriteResult(200, b"k8s\x00", "application/vnd.kubernetes.protobuf")

    result = await gateway.send(ByteTarget(DEPLOYMENT), "POST", DEPLOYMENTS, workload(3))
    assert (result.body, result.obj) == (b"k8s\x00", None)
    assert gateway.events()[-1]["annotations"] == {"audit.fleetgate.io/state": "applied"}
