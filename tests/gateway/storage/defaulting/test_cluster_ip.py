"""Addresses of Services."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.storage.defaulting.cluster_ip import allocate_cluster_ip, default_service_ip


def test_the_same_service_gets_the_same_address_and_the_next_one_when_that_is_taken() -> None:
    first = allocate_cluster_ip("uid", ())
    assert allocate_cluster_ip("uid", ()) == first
    assert allocate_cluster_ip("uid", {first}) != first
    assert first.startswith("10.96.")


def test_every_usable_address_is_given_out_once_and_then_no_more() -> None:
    taken: set[str] = set()
    for number in range(6):
        taken.add(allocate_cluster_ip(f"uid-{number}", taken, "10.0.0.0/29"))
    assert taken == {f"10.0.0.{number}" for number in range(1, 7)}
    with pytest.raises(ValueError, match=r"range is full: 10\.0\.0\.0/29"):
        allocate_cluster_ip("uid", taken, "10.0.0.0/29")


def service(**spec: Any) -> JsonObject:
    return {"spec": {"type": "ClusterIP", **spec}}


def given(new: JsonObject, old: JsonObject | None = None) -> JsonObject:
    default_service_ip(new, old, lambda: "10.96.0.9")
    spec: JsonObject = new["spec"]
    return spec


def test_a_new_service_gets_an_address() -> None:
    assert given(service()) == {
        "type": "ClusterIP",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9"],
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }


def test_a_changed_service_keeps_its_address() -> None:
    old = service(clusterIP="10.96.0.1")
    assert given(service(), old)["clusterIP"] == "10.96.0.1"
    assert given(service(clusterIP="10.96.0.2"), old)["clusterIPs"] == ["10.96.0.2"]


def test_an_external_name_has_no_address_until_it_becomes_another_type() -> None:
    external = {"spec": {"type": "ExternalName", "clusterIP": ""}}
    assert given(dict(external))["clusterIP"] == ""
    assert given(service(), external)["clusterIP"] == "10.96.0.9"


def test_headless_services() -> None:
    assert given(service(clusterIP="None", selector={"a": "b"}))["ipFamilyPolicy"] == "SingleStack"
    without_selector = given(service(clusterIP="None"))
    assert without_selector["ipFamilies"] == ["IPv4", "IPv6"]
    assert without_selector["clusterIPs"] == ["None"]
