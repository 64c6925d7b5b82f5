"""Rules for Services; most are recorded in test_validation.py."""

from __future__ import annotations

from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.storage.validation.services import validate_service


def service(**spec: Any) -> JsonObject:
    port = {"port": 80, "targetPort": 80, "protocol": "TCP"}
    filled = {"type": "ClusterIP", "clusterIP": "10.0.0.1", "sessionAffinity": "None", "ports": [port]}
    return {"spec": {**filled, **spec}}


def found(new: JsonObject, old: JsonObject | None = None) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in validate_service(new, old)]


def test_a_service_may_take_an_address_and_then_keeps_it() -> None:
    assert found(service(), service(clusterIP="")) == []
    assert found(service(clusterIP=""), service()) == ["spec.clusterIPs[0]: Invalid value: []: may not change once set"]
    assert found(service(), service(type="ExternalName", clusterIP="")) == []


def test_a_type_is_needed() -> None:
    assert found(service(type=None)) == [
        'spec.type: Unsupported value: "": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
    ]
