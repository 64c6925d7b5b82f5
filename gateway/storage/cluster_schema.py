"""The schema of `cluster.karmada.io/v1alpha1` Clusters as the embedded store serves them, and their columns. Pure data.

Our own description of the fields that Karmada documents; fields of later Karmada versions are kept as they come.
"""

from __future__ import annotations

from typing import Any

from gateway.storage.definitions import PrinterColumn

_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "format": "int32"}
_QUANTITIES = {
    "type": "object",
    "additionalProperties": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"type": "object", "properties": properties}
    return {**node, "required": list(required)} if required else node


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_SECRET_REFERENCE = _object(namespace=_TEXT, name=_TEXT)
_TAINT = _object(
    "key", "effect", key=_TEXT, value=_TEXT, effect=_TEXT, timeAdded={"type": "string", "format": "date-time"}
)
_CONDITION = _object(
    "type", "status",
    type=_TEXT, status={"type": "string", "enum": ["True", "False", "Unknown"]}, reason=_TEXT, message=_TEXT,
    lastTransitionTime={"type": "string", "format": "date-time"}, observedGeneration={"type": "integer"},
)  # fmt: skip

CLUSTER_SCHEMA: dict[str, Any] = _object(
    spec={
        **_object(
            "syncMode",
            id=_TEXT,
            syncMode={"type": "string", "enum": ["Push", "Pull"]},
            apiEndpoint=_TEXT,
            secretRef=_SECRET_REFERENCE,
            impersonatorSecretRef=_SECRET_REFERENCE,
            insecureSkipTLSVerification={"type": "boolean"},
            proxyURL=_TEXT,
            proxyHeader={"type": "object", "additionalProperties": _TEXT},
            provider=_TEXT,
            region=_TEXT,
            zone=_TEXT,
            zones=_list(_TEXT),
            taints=_list(_TAINT),
            resourceModels=_list({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ),
        "x-kubernetes-preserve-unknown-fields": True,
    },
    status={
        **_object(
            kubernetesVersion=_TEXT,
            apiEnablements=_list(
                _object(
                    "groupVersion",
                    groupVersion=_TEXT,
                    resources=_list(_object("name", "kind", name=_TEXT, kind=_TEXT)),
                )
            ),
            conditions=_list(_CONDITION, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
            nodeSummary=_object(totalNum=_COUNT, readyNum=_COUNT),
            resourceSummary={
                **_object(allocatable=_QUANTITIES, allocating=_QUANTITIES, allocated=_QUANTITIES),
                "x-kubernetes-preserve-unknown-fields": True,
            },
            remedyActions=_list(_TEXT),
        ),
        "x-kubernetes-preserve-unknown-fields": True,
    },
)

CLUSTER_COLUMNS = (
    PrinterColumn("Version", "string", ".status.kubernetesVersion"),
    PrinterColumn("Mode", "string", ".spec.syncMode"),
    PrinterColumn("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
    PrinterColumn("Age", "date", ".metadata.creationTimestamp"),
    PrinterColumn("Zones", "string", ".spec.zones", priority=1),
    PrinterColumn("Region", "string", ".spec.region", priority=1),
    PrinterColumn("Provider", "string", ".spec.provider", priority=1),
    PrinterColumn("API-Endpoint", "string", ".spec.apiEndpoint", priority=1),
    PrinterColumn("Proxy-URL", "string", ".spec.proxyURL", priority=1),
)
