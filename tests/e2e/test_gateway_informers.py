"""client-go's informers over the merged view: they end with exactly the union of the members."""

import itertools
from pathlib import Path

import pytest

from tests.e2e.environment.clientgo import Informer, run_typedclient
from tests.e2e.environment.fleet import Fleet
from tests.e2e.gateway import Gateway


def union(fleet: Fleet, path: str) -> dict[str, str]:
    """uid to member of every object of a resource."""
    return {
        item["metadata"]["uid"]: member.name
        for member in fleet.members.values()
        for item in member.client.request("GET", path)["items"]
    }


@pytest.mark.parametrize(("watch_list", "content_type"), list(itertools.product([True, False], ["json", "protobuf"])))
def test_an_informer_holds_the_union_through_changes(
    gateway: Gateway, binaries: dict[str, Path], *, watch_list: bool, content_type: str
) -> None:
    fleet = gateway.fleet
    with Informer(binaries["informer"], gateway.admin, watch_list=watch_list, content_type=content_type) as informer:
        informer.wait_for_sync()
        assert any("sendInitialEvents=true" in uri for uri in informer.requests()) == watch_list
        for number, member in enumerate(fleet.members.values()):
            name = f"informed-{number}"
            body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "a:1"}]}}
            member.client.request("POST", "/api/v1/namespaces/shop/pods", body)
            informer.next_of("ADDED", key=f"shop/{name}")
            patch = {"metadata": {"labels": {"changed": "yes"}}}
            path = f"/api/v1/namespaces/shop/pods/{name}"
            member.client.request("PATCH", path, patch, content_type="application/merge-patch+json")
            informer.next_of("MODIFIED", key=f"shop/{name}")
            member.client.request("DELETE", path, {"gracePeriodSeconds": 0})
            informer.next_of("DELETED", key=f"shop/{name}")
        held = {item["uid"]: item["cluster"] for item in informer.store()}
        assert held == union(fleet, "/api/v1/pods")
        assert not informer.watch_errors()


@pytest.mark.parametrize("resource", ["events", "events.events.k8s.io"])
def test_event_informers(gateway: Gateway, binaries: dict[str, Path], resource: str) -> None:
    with Informer(binaries["informer"], gateway.admin, resource=resource) as informer:
        informer.wait_for_sync()
        held = {item["uid"] for item in informer.store()}
        assert held >= set(union(gateway.fleet, "/api/v1/events"))
        assert not informer.watch_errors()


@pytest.mark.parametrize("content_type", ["protobuf", "json"])
def test_a_typed_client_works_with_federated_objects(
    gateway: Gateway, binaries: dict[str, Path], content_type: str
) -> None:
    results = run_typedclient(
        binaries["typedclient"], gateway.admin, "--content-type", content_type, "--page-size", "7"
    )
    listed = results["list pods"]
    assert set(listed["uids"]) == set(union(gateway.fleet, "/api/v1/pods"))
    assert len(set(listed["resourceVersions"])) == 1, "every page carries the version of the first"
    assert results["self subject access review"]["status"]["allowed"] is True
