import json

import msgspec

from gateway.apimachinery.schemas import builtin_schemas
from gateway.discovery import openapi_v2
from gateway.discovery.openapi_schemas import PublishedSchemas
from gateway.discovery.surface import ApiSurface
from tests.gateway.discovery.builders import APPS, SHOP
from tests.gateway.discovery.test_openapi_schemas import references


def test_the_document_has_the_schemas_of_all_that_is_served() -> None:
    schemas = PublishedSchemas(builtin_schemas(), openapi_v2.REFERENCE, unions=False)
    built = openapi_v2.document(ApiSurface([APPS, SHOP]), schemas, lambda _: None, "v1.36.0")
    document = json.loads(msgspec.json.encode(built))
    assert (document["swagger"], document["info"]["version"]) == ("2.0", "v1.36.0")
    assert {"io.k8s.api.apps.v1.Deployment", "com.example.shop.v1.Toy"} <= set(document["definitions"])
    assert "io.k8s.api.core.v1.Service" not in document["definitions"]
    assert {name.removeprefix("#/definitions/") for name in references(document)} <= set(document["definitions"])
    assert '"oneOf":' not in json.dumps(document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"])
