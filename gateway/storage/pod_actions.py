"""Binding a Pod to a node and evicting it: the subresources of Pods that act instead of storing what was sent.

After k8s.io/kubernetes `registry/core/pod/storage` (storage.go, eviction.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.apimachinery.errors import ApiError, bad_request, conflict, internal_error, not_found
from gateway.apimachinery.label_selectors import read_label_selector
from gateway.apimachinery.meta import JsonObject, ObjectKey, field, labels
from gateway.apimachinery.schema import GroupResource
from gateway.storage.definitions import ResourceDefinition
from gateway.storage.deletes import ObjectDeleter
from gateway.storage.object_meta import timestamp
from gateway.storage.write_context import WriteContext
from gateway.storage.writes import ObjectWriter
from gateway.write_request import DeleteOptions

SUCCESS: Mapping[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
"""What both subresources answer with."""

_PODS = GroupResource("", "pods")
_BUDGETS = "poddisruptionbudgets.policy"
_MERGE = "application/merge-patch+json"
_RETRY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class PodActions:
    """Binds and evicts Pods of one store."""

    definition: ResourceDefinition
    writer: ObjectWriter
    deleter: ObjectDeleter

    def _pod(self, key: ObjectKey) -> JsonObject:
        stored = self.writer.storage.get(self.definition.storage_key, key)
        if stored is None:
            raise not_found(_PODS, key.name)
        return self.definition.object(stored)

    async def bind(self, key: ObjectKey, binding: JsonObject, context: WriteContext) -> JsonObject:
        """Assign a Pod to a node. Raises ApiError: 404, 400 without a node, 409 for a Pod that is assigned already."""
        node = field(binding, "target", "name")
        if not isinstance(node, str) or not node:
            raise bad_request("target.name: Required value")
        now = timestamp(self.deleter.now())

        def assign(pod: JsonObject | None) -> JsonObject:
            if pod is None:
                raise not_found(_PODS, key.name)
            if assigned := field(pod, "spec", "nodeName"):
                text = f'pod {key.name} is already assigned to node "{assigned}"'
                raise conflict(GroupResource("", "pods/binding"), key.name, text)
            status = dict(pod.get("status") or {})
            status["conditions"] = _with_condition(status, {"type": "PodScheduled", "status": "True"}, now)
            return {**pod, "spec": {**pod["spec"], "nodeName": node}, "status": status}

        await self.writer.change(self.definition, key, assign, context, subresource="binding", tracked=True)
        return dict(SUCCESS)

    async def evict(self, key: ObjectKey, eviction: JsonObject, context: WriteContext) -> JsonObject:
        """Delete a Pod unless a disruption budget stands against it. Raises ApiError: 404, 400, 429."""
        if field(eviction, "metadata", "name") != key.name:
            raise bad_request("name in URL does not match name in Eviction object")
        pod = self._pod(key)
        if field(pod, "status", "phase") not in {"Succeeded", "Failed"}:
            self._check_budgets(pod)
        if not context.options.dry_run:
            reason = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
            condition = {"type": "DisruptionTarget", "status": "True", **reason}
            conditions = _with_condition(pod.get("status") or {}, condition, timestamp(self.deleter.now()))
            patch = {"status": {"conditions": conditions}}
            server = WriteContext.internal("kube-apiserver")
            await self.writer.patch(self.definition, key, _MERGE, patch, server, "status")
        wanted = field(eviction, "deleteOptions") or {}
        options = DeleteOptions(
            grace_period_seconds=wanted.get("gracePeriodSeconds"),
            precondition_uid=field(wanted, "preconditions", "uid"),
        )
        await self.deleter.delete(self.definition, key, options, WriteContext(context.options))
        return dict(SUCCESS)

    def _check_budgets(self, pod: JsonObject) -> None:
        """Hold the Pod's disruption budgets: without a healthy allowance nothing is evicted."""
        for budget in self._budgets(pod):
            name = budget["metadata"]["name"]
            if (field(budget, "status", "observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
                reason = f"The disruption budget {name} is still being processed by the server."
            elif (field(budget, "status", "disruptionsAllowed") or 0) <= 0:
                desired, current = (field(budget, "status", part) or 0 for part in ("desiredHealthy", "currentHealthy"))
                reason = f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
            else:
                continue
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            causes = [{"reason": "DisruptionBudget", "message": reason}]
            details = {"causes": causes, "retryAfterSeconds": _RETRY_SECONDS}
            raise ApiError(429, "TooManyRequests", message, details=details)

    def _budgets(self, pod: JsonObject) -> Iterator[JsonObject]:
        pod_labels = labels(pod)
        for stored in self.writer.storage.list(_BUDGETS, pod["metadata"]["namespace"]):
            budget = stored.decode()
            if _selects(budget, pod_labels):
                yield budget


def _with_condition(status: JsonObject, condition: Mapping[str, str], now: str) -> list[JsonObject]:
    others = [entry for entry in status.get("conditions") or [] if entry.get("type") != condition["type"]]
    return [*others, {**condition, "lastTransitionTime": now}]


def _selects(budget: JsonObject, pod_labels: Mapping[str, str]) -> bool:
    """Whether a budget is about a Pod; one without a selector is about none.

    Raises ApiError 500 for a selector that cannot be read: nothing is evicted that it may protect.
    """
    selector = field(budget, "spec", "selector")
    try:
        return isinstance(selector, dict) and read_label_selector(selector).matches(pod_labels)
    except ValueError:
        raise internal_error(
            f"the selector of the disruption budget {budget['metadata']['name']} cannot be read"
        ) from None
