"""Defaults of Services and policies; those of a real kube-apiserver are in test_defaulting.py."""

from __future__ import annotations

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.networking import default_ingress_class, default_network_policy, default_service


def test_addresses_of_a_load_balancer_are_virtual() -> None:
    service: JsonObject = {
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}, {"hostname": "h"}]}},
    }
    default_service(service)
    assert service["status"]["loadBalancer"]["ingress"] == [{"ip": "1.2.3.4", "ipMode": "VIP"}, {"hostname": "h"}]


def test_a_service_of_an_unknown_type_or_affinity_is_left_for_validation() -> None:
    service: JsonObject = {"spec": {"type": "Odd", "sessionAffinity": "Odd"}}
    default_service(service)
    assert service["spec"] == {"type": "Odd", "sessionAffinity": "Odd"}


def test_ports_of_a_policy_are_of_tcp() -> None:
    policy: JsonObject = {"spec": {"policyTypes": ["Egress"], "egress": [{"ports": [{"port": 1}]}]}}
    default_network_policy(policy)
    assert policy["spec"] == {
        "policyTypes": ["Egress"],
        "egress": [{"ports": [{"port": 1, "protocol": "TCP"}]}],
    }


def test_an_ingress_class_without_parameters_gets_none() -> None:
    ingress_class: JsonObject = {"spec": {}}
    default_ingress_class(ingress_class)
    assert ingress_class == {"spec": {}}
