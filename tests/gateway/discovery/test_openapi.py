from gateway.apimachinery.schema import GroupVersion
from gateway.discovery.openapi import document_paths
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.builders import APPS, CORE


def test_documents_are_named_by_their_path() -> None:
    assert document_paths(ApiSurface([CORE, APPS])) == {
        "api/v1": GroupVersion("", "v1"),
        "apis/apps/v1": GroupVersion("apps", "v1"),
    }
