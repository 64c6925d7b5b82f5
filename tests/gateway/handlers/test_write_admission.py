"""The routes by which a workload can be scaled or an object deleted: all of them meet the same rules."""

from typing import Any

import pytest

from admission.protection_labels import FLEETGATE_LABEL, KARMADA_LABEL, KRUISE_LABEL
from gateway.apimachinery.errors import ApiError, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.patch.patch import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH
from gateway.apimachinery.protobuf import MEDIA_TYPE as PROTOBUF
from gateway.apimachinery.protobuf import encode
from gateway.apimachinery.schema import GroupResource, GroupVersionKind
from gateway.handlers.write_admission import RequestLookup
from gateway.handlers.write_decoding import decode_write
from gateway.write_request import Precondition, WriteRequest
from tests.gateway.handlers.memory_target import MemoryTarget
from tests.gateway.handlers.write_support import (
    CLONE_SET,
    CLONE_SETS,
    DEPLOYMENT,
    DEPLOYMENTS,
    POD,
    PODS,
    WEB,
    Gateway,
    pod,
    scope,
    workload,
)

SCALE_HEAD: dict[str, Any] = {
    "kind": "Scale",
    "apiVersion": "autoscaling/v1",
    "metadata": {"name": "web", "namespace": "shop"},
}
APPLY_HEAD = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
OWNED_BY_HELM = [
    {
        "manager": "helm",
        "operation": "Apply",
        "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }
]

ROUTES: dict[str, tuple[str, str, Any, str, dict[str, str]]] = {
    "scale-put": ("PUT", f"{WEB}/scale", {**SCALE_HEAD, "spec": {"replicas": 0}}, "", {}),
    "scale-put-without-number": ("PUT", f"{WEB}/scale", {**SCALE_HEAD, "spec": {}}, "", {}),
    "scale-merge-patch": ("PATCH", f"{WEB}/scale", {"spec": {"replicas": 0}}, MERGE_PATCH, {}),
    "scale-json-patch": (
        "PATCH",
        f"{WEB}/scale",
        [{"op": "replace", "path": "/spec/replicas", "value": 0}],
        JSON_PATCH,
        {},
    ),
    "scale-strategic-patch": ("PATCH", f"{WEB}/scale", {"spec": {"replicas": 0}}, STRATEGIC_MERGE_PATCH, {}),
    "scale-apply": (
        "PATCH",
        f"{WEB}/scale",
        {**SCALE_HEAD, "spec": {"replicas": 0}},
        APPLY_PATCH,
        {"fieldManager": "helm", "force": "true"},
    ),
    "scale-put-of-a-version": (
        "PUT",
        f"{WEB}/scale",
        {**SCALE_HEAD, "metadata": {**SCALE_HEAD["metadata"], "resourceVersion": "101"}, "spec": {"replicas": 0}},
        "",
        {},
    ),
    "scale-put-protobuf": ("PUT", f"{WEB}/scale", encode({**SCALE_HEAD, "spec": {"replicas": 0}}), PROTOBUF, {}),
    "put-protobuf": ("PUT", WEB, encode(workload(0)), PROTOBUF, {}),
    "put-protobuf-without-number": ("PUT", WEB, encode(workload(None)), PROTOBUF, {}),
    "put": ("PUT", WEB, workload(0), "", {}),
    "put-yaml": (
        "PUT",
        WEB,
        b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 0}\n",
        "application/yaml",
        {},
    ),
    "put-without-number": ("PUT", WEB, workload(None), "", {}),
    "merge-patch": ("PATCH", WEB, {"spec": {"replicas": 0}}, MERGE_PATCH, {}),
    "merge-patch-null": ("PATCH", WEB, {"spec": {"replicas": None}}, MERGE_PATCH, {}),
    "strategic-patch": ("PATCH", WEB, {"spec": {"replicas": 0}}, STRATEGIC_MERGE_PATCH, {}),
    "strategic-patch-null": ("PATCH", WEB, {"spec": {"replicas": None}}, STRATEGIC_MERGE_PATCH, {}),
    "strategic-patch-replace": (
        "PATCH",
        WEB,
        {"spec": {"$patch": "replace", "paused": True}},
        STRATEGIC_MERGE_PATCH,
        {},
    ),
    "json-patch": ("PATCH", WEB, [{"op": "replace", "path": "/spec/replicas", "value": 0}], JSON_PATCH, {}),
    "json-patch-remove": ("PATCH", WEB, [{"op": "remove", "path": "/spec/replicas"}], JSON_PATCH, {}),
    "json-patch-whole-spec": ("PATCH", WEB, [{"op": "replace", "path": "/spec", "value": {}}], JSON_PATCH, {}),
    "json-patch-copy": (
        "PATCH",
        WEB,
        [{"op": "copy", "from": "/spec/minReadySeconds", "path": "/spec/replicas"}],
        JSON_PATCH,
        {},
    ),
    "apply": ("PATCH", WEB, {**APPLY_HEAD, "spec": {"replicas": 0}}, APPLY_PATCH, {"fieldManager": "helm"}),
    "apply-drops-the-field": ("PATCH", WEB, {**APPLY_HEAD, "spec": {}}, APPLY_PATCH, {"fieldManager": "helm"}),
    "duplicate-field": ("PATCH", WEB, b'{"spec":{"replicas":0},"spec":{"replicas":0}}', MERGE_PATCH, {}),
}


def deployments(**metadata: Any) -> MemoryTarget:
    obj = workload(10, managedFields=OWNED_BY_HELM, **metadata)
    obj["spec"]["minReadySeconds"] = 0
    return MemoryTarget(DEPLOYMENT, obj, default_replicas=1)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dry_run", [False, True])
async def test_no_route_scales_a_workload_down_too_far(gateway: Gateway, route: str, dry_run: bool) -> None:
    method, path, body, content_type, query = ROUTES[route]
    target = deployments()
    if dry_run:
        query = {**query, "dryRun": "All"}
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, method, path, body, content_type=content_type, query=query)
    assert refused.value.code == 403
    assert refused.value.reason == "Forbidden"
    assert refused.value.message.startswith('deployments.apps "web" is forbidden: scaling from 10 to ')
    assert (
        'set the annotation fleetgate.io/allow-scale-down: "true" on the object (audit id id-1)'
        in refused.value.message
    )
    (cause,) = refused.value.details["causes"]
    assert cause["reason"] in {"ScaleDownFloor", "ScaleDownStep"}
    assert target.applied == []
    assert target.asked["apply"] == 0
    (event,) = gateway.events()
    assert event["responseStatus"]["code"] == 403
    assert event["annotations"]["audit.fleetgate.io/admission-rule"] == cause["reason"]
    assert event["annotations"]["audit.fleetgate.io/replicas"].startswith("10 -> ")


@pytest.mark.parametrize("route", ROUTES)
async def test_the_annotation_on_the_object_lifts_it_on_every_route(gateway: Gateway, route: str) -> None:
    method, path, body, content_type, query = ROUTES[route]
    target = deployments(annotations={"fleetgate.io/allow-scale-down": "true"})
    await gateway.send(target, method, path, body, content_type=content_type, query=query)
    assert len(target.applied) == 1


async def test_an_allowed_step_is_applied_under_the_version_that_was_judged(gateway: Gateway) -> None:
    target = deployments()
    await gateway.send(target, "PATCH", f"{WEB}/scale", {"spec": {"replicas": 5}}, content_type=MERGE_PATCH)
    (obj,) = target.objects.values()
    assert obj["spec"]["replicas"] == 5
    assert target.asked == {"read": 1, "apply": 1}
    assert gateway.events()[1]["annotations"]["audit.fleetgate.io/replicas"] == "10 -> 5"


async def test_an_apply_may_give_up_a_number_that_another_manager_holds_too(gateway: Gateway) -> None:
    scaler = {**OWNED_BY_HELM[0], "manager": "scaler"}
    target = MemoryTarget(DEPLOYMENT, workload(10, managedFields=[*OWNED_BY_HELM, scaler]), default_replicas=1)
    method, path, body, content_type, query = ROUTES["apply-drops-the-field"]
    await gateway.send(target, method, path, body, content_type=content_type, query=query)
    assert [obj["spec"]["replicas"] for obj in target.objects.values()] == [10]


async def test_a_scale_of_an_older_version_is_a_conflict(gateway: Gateway) -> None:
    target = deployments()
    metadata = {**SCALE_HEAD["metadata"], "resourceVersion": "7"}
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "PUT", f"{WEB}/scale", {**SCALE_HEAD, "metadata": metadata, "spec": {"replicas": 9}})
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
    assert target.applied == []


async def test_a_creation_never_replaces_what_is_there(gateway: Gateway) -> None:
    target = deployments()
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "POST", DEPLOYMENTS, workload(0))
    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")
    assert [obj["spec"]["replicas"] for obj in target.objects.values()] == [10]


async def test_an_object_made_anew_is_not_measured_by_the_one_before_it(gateway: Gateway) -> None:
    target = deployments()
    await gateway.send(target, "DELETE", WEB)
    await gateway.send(target, "POST", DEPLOYMENTS, workload(0), audit_id="id-2")
    assert [obj["spec"]["replicas"] for obj in target.objects.values()] == [0]


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type"),
    [
        ("PATCH", WEB, {"metadata": {"labels": {"a": "b"}}}, MERGE_PATCH),
        ("PATCH", WEB, {"spec": {"template": {"metadata": {"annotations": {"r": "1"}}}}}, STRATEGIC_MERGE_PATCH),
        ("PATCH", WEB, [{"op": "add", "path": "/metadata/labels", "value": {}}], JSON_PATCH),
        ("PATCH", f"{WEB}/status", {"status": {}}, MERGE_PATCH),
        ("POST", DEPLOYMENTS, workload(3, "other"), ""),
    ],
)
async def test_writes_no_rule_is_interested_in_cost_no_reading(
    gateway: Gateway, method: str, path: str, body: Any, content_type: str
) -> None:
    target = deployments()
    await gateway.send(target, method, path, body, content_type=content_type)
    assert target.asked == {"apply": 1}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ApiError(422, "Invalid", "spec.replicas: Invalid value: -1"), 422),
        (service_unavailable("the store is away"), 403),
    ],
)
async def test_what_is_invalid_is_said_before_what_is_forbidden(gateway: Gateway, error: ApiError, code: int) -> None:
    target = deployments()

    async def preview(request: WriteRequest) -> JsonObject:
        raise error

    target.preview = preview  # type: ignore[method-assign]  # the store's own judgement
    body = {**SCALE_HEAD, "spec": {"replicas": -1}}
    with pytest.raises(ApiError) as refused:
        await gateway.send(target, "PUT", f"{WEB}/scale", body)
    assert refused.value.code == code
    assert not target.applied


class TestCustomKinds:
    PATH = f"{CLONE_SETS}/web"

    @pytest.mark.parametrize(
        ("method", "suffix", "body", "content_type", "query"),
        [
            ("PUT", "", workload(0, kind="CloneSet"), "", {}),
            ("PUT", "", workload(None, kind="CloneSet"), "", {}),
            ("PUT", "/scale", {**SCALE_HEAD, "spec": {"replicas": 0}}, "", {}),
            ("PATCH", "", {"spec": {"replicas": 0}}, MERGE_PATCH, {}),
            ("PATCH", "", {"spec": None}, MERGE_PATCH, {}),
            ("PATCH", "", [{"op": "remove", "path": "/spec/replicas"}], JSON_PATCH, {}),
            ("PATCH", "/scale", {"spec": {"replicas": 0}}, MERGE_PATCH, {}),
            (
                "PATCH",
                "",
                {
                    "apiVersion": "apps.kruise.io/v1alpha1",
                    "kind": "CloneSet",
                    "metadata": {"name": "web"},
                    "spec": {"replicas": 0},
                },
                APPLY_PATCH,
                {"fieldManager": "helm"},
            ),
        ],
    )
    async def test_they_are_guarded_on_every_route(
        self, gateway: Gateway, method: str, suffix: str, body: Any, content_type: str, query: dict[str, str]
    ) -> None:
        target = MemoryTarget(CLONE_SET, workload(10, kind="CloneSet"))
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, method, self.PATH + suffix, body, content_type=content_type, query=query)
        assert refused.value.code == 403
        assert target.applied == []

    async def test_a_number_left_out_gets_the_default_of_the_definition(self, gateway: Gateway) -> None:
        target = MemoryTarget(CLONE_SET, workload(4, kind="CloneSet"), default_replicas=3)
        await gateway.send(target, "PUT", self.PATH, workload(None, kind="CloneSet"))
        assert target.asked["preview"] == 1
        assert len(target.applied) == 1


class TestDeletion:
    @pytest.mark.parametrize("label", [KARMADA_LABEL, KRUISE_LABEL, FLEETGATE_LABEL])
    @pytest.mark.parametrize(
        "body",
        [
            None,
            {"propagationPolicy": "Orphan"},
            {"gracePeriodSeconds": 0},
            {"dryRun": ["All"]},
        ],
    )
    async def test_a_protected_object_stays(self, gateway: Gateway, label: str, body: Any) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3, labels={label: "Always"}))
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", WEB, body)
        assert refused.value.code == 403
        text = f"This resource is protected, please make sure to remove the label: {label}"
        assert text in refused.value.message
        assert refused.value.details["causes"] == [{"reason": "DeletionProtected", "message": text}]
        assert refused.value.headers["X-Content-Type-Options"] == "nosniff"
        assert target.asked["apply"] == 0
        assert len(target.objects) == 1

    async def test_an_unprotected_one_goes_under_the_version_that_was_judged(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT, workload(3))
        await gateway.send(target, "DELETE", WEB)
        assert target.objects == {}
        intent, outcome = gateway.events()
        assert intent["objectRef"]["uid"] == "uid-web"
        assert intent["objectRef"]["resourceVersion"] == "101"
        assert outcome["responseStatus"]["code"] == 200

    async def test_a_pod_of_a_member_is_protected_as_well_also_from_eviction(self, gateway: Gateway) -> None:
        target = MemoryTarget(POD, pod("p", labels={FLEETGATE_LABEL: "Always"}))
        with pytest.raises(ApiError):
            await gateway.send(target, "DELETE", f"{PODS}/p")
        with pytest.raises(ApiError):
            await gateway.send(
                target, "POST", f"{PODS}/p/eviction", {"kind": "Eviction", "metadata": {"name": "p"}}, audit_id="id-2"
            )
        assert len(target.objects) == 1

    async def test_what_is_not_there_is_not_found(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT)
        with pytest.raises(ApiError) as missing:
            await gateway.send(target, "DELETE", WEB)
        assert (missing.value.code, missing.value.message) == (404, 'deployments.apps "web" not found')
        assert target.asked["apply"] == 0

    async def test_a_namespace_with_protected_content_stays_and_the_blockers_are_named(self, gateway: Gateway) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        target = MemoryTarget(GroupVersionKind("", "v1", "Namespace"), namespace)
        target.contents = [
            (GroupResource("", "secrets"), {"metadata": {"name": f"s{n:02}", "labels": {FLEETGATE_LABEL: "Always"}}})
            for n in range(22)
        ]
        with pytest.raises(ApiError) as refused:
            await gateway.send(target, "DELETE", "/api/v1/namespaces/shop")
        assert refused.value.message.startswith(
            'namespaces "shop" is forbidden: its deletion would take protected objects'
        )
        assert "secrets s19 (label fleetgate.io/delete-protection=Always) and 2 more" in refused.value.message
        target.contents = service_unavailable("down")
        with pytest.raises(ApiError, match="could not be listed"):
            await gateway.send(target, "DELETE", "/api/v1/namespaces/shop", audit_id="id-2")
        target.contents = []
        await gateway.send(target, "DELETE", "/api/v1/namespaces/shop", audit_id="id-3")
        assert target.objects == {}

    async def test_a_misspelt_protection_is_warned_about(self, gateway: Gateway) -> None:
        target = MemoryTarget(DEPLOYMENT)
        warnings: list[str] = []
        await gateway.send(
            target, "POST", DEPLOYMENTS, workload(1, labels={KARMADA_LABEL: "always"}), warnings=warnings
        )
        assert warnings[0].startswith(f"label {KARMADA_LABEL}=always does not protect")


async def test_a_custom_resource_definition_with_protected_objects_stays(gateway: Gateway) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "names": {"plural": "widgets"}},
    }
    target = MemoryTarget(GroupVersionKind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), definition)
    widget = {"metadata": {"name": "w", "labels": {FLEETGATE_LABEL: "Always"}}}
    target.contents = [(GroupResource("example.com", "widgets"), widget)]
    with pytest.raises(ApiError, match=r"widgets\.example\.com w"):
        await gateway.send(target, "DELETE", path)


async def test_objects_are_fetched_once_per_decision() -> None:
    target = deployments()
    request = decode_write(scope("PATCH", WEB, content_type=MERGE_PATCH), b'{"spec":{"replicas":9}}')
    lookup = RequestLookup(request, target)
    assert lookup.precondition is None
    for _ in range(2):
        assert (await lookup.old() or {})["spec"]["replicas"] == 10
        assert (await lookup.new())["spec"]["replicas"] == 9
    assert target.asked == {"read": 1, "preview": 1}
    assert lookup.precondition == Precondition("uid-web", "101")
