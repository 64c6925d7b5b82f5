import hashlib
from typing import Any

import pytest

from gateway.apimachinery.schema import GroupVersion
from gateway.discovery.documents import DiscoveryDocuments
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.builders import APPS, CORE, SHOP, group, resource
from tests.gateway.discovery.kube_apiserver import groups, recorded

REAL = DiscoveryDocuments(ApiSurface(groups()))


def sorted_resources(document: dict[str, Any]) -> dict[str, Any]:
    """Custom resources list subresources in another order and built-ins come by name: order is not what we compare."""
    return {**document, "resources": sorted(document["resources"], key=lambda entry: entry["name"])}


def without_hashes(document: dict[str, Any]) -> dict[str, Any]:
    """Aggregated documents, which we read, do not carry storageVersionHash."""
    entries = [{k: v for k, v in entry.items() if k != "storageVersionHash"} for entry in document["resources"]]
    return sorted_resources({**document, "resources": entries})


def with_kinds_at_home(document: dict[str, Any]) -> dict[str, Any]:
    """The real one leaves group and version of most kinds empty, which clients read as 'where it stands'."""
    for item in document["items"]:
        for version in item["versions"]:
            home = {"group": item["metadata"].get("name", ""), "version": version["version"]}
            for entry in version["resources"]:
                for kind in (entry["responseKind"], *(sub["responseKind"] for sub in entry.get("subresources", ()))):
                    if not kind["version"]:
                        kind |= home
    return document


def test_legacy_documents_are_those_of_a_kube_apiserver() -> None:
    legacy = recorded()["legacy"]
    assert REAL.group_list().obj == legacy["/apis"]
    for path, expected in legacy.items():
        match path.strip("/").split("/"):
            case ["apis", name]:
                document = REAL.group(name)
                assert document is not None
                assert document.obj == expected
            case ["apis", *_] | ["api", "v1"] as parts if len(parts) > 1:
                document = REAL.resource_list(GroupVersion.parse(path.removeprefix("/apis/").removeprefix("/api/")))
                assert document is not None
                assert sorted_resources(document.obj) == without_hashes(expected)


def test_aggregated_documents_are_those_of_a_kube_apiserver() -> None:
    aggregated = recorded()["aggregated"]
    assert REAL.aggregated("v2", core=True).obj == with_kinds_at_home(aggregated["/api"])
    assert REAL.aggregated("v2", core=False).obj == with_kinds_at_home(aggregated["/apis"])


def test_the_older_aggregated_version_differs_in_its_name_only() -> None:
    new, old = REAL.aggregated("v2", core=False), REAL.aggregated("v2beta1", core=False)
    assert old.obj == {**new.obj, "apiVersion": "apidiscovery.k8s.io/v2beta1"}
    assert old.etag != new.etag


def test_the_etag_is_the_hash_of_the_json() -> None:
    document = REAL.group_list()
    assert document.etag == f'"{hashlib.sha512(document.body).hexdigest().upper()}"'


def test_api_versions_says_where_the_server_is() -> None:
    expected = recorded()["legacy"]["/api"]
    address = expected["serverAddressByClientCIDRs"][0]["serverAddress"]
    assert REAL.api_versions(address) == expected


def test_nothing_is_said_about_what_is_not_served() -> None:
    documents = DiscoveryDocuments(ApiSurface([APPS]))
    assert documents.group("nope") is None
    assert documents.group("") is None
    assert documents.resource_list(GroupVersion("apps", "v2")) is None
    assert documents.api_versions("x")["versions"] == []
    assert documents.aggregated("v2", core=True).obj["items"] == []


def test_documents_are_built_once() -> None:
    documents = DiscoveryDocuments(ApiSurface([APPS]))
    assert documents.group_list() is documents.group_list()


@pytest.mark.parametrize(("stale", "word"), [(False, "Current"), (True, "Stale")])
def test_staleness_is_told(stale: bool, word: str) -> None:
    documents = DiscoveryDocuments(ApiSurface([group(resource("a.example.com/v1", "as", "A"), stale=stale)]))
    assert documents.aggregated("v2", core=False).obj["items"][0]["versions"][0]["freshness"] == word


def test_paths_name_every_document() -> None:
    paths = DiscoveryDocuments(ApiSurface([CORE, APPS, SHOP])).paths()["paths"]
    assert {"/api", "/api/v1", "/apis", "/apis/", "/apis/apps", "/apis/apps/v1", "/openapi/v3", "/version"} <= set(
        paths
    )
    assert paths == sorted(paths)
    assert "/apis/" not in DiscoveryDocuments(ApiSurface([CORE])).paths()["paths"]
