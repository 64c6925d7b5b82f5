import pytest

from gateway.apimachinery.meta import JsonObject
from gateway.printers.networking import ENDPOINTS, INGRESS_CLASSES, SERVICES
from gateway.printers.object_printer import ObjectPrinter
from tests.gateway.printers.goldens import finished, sections


def cell(printer: ObjectPrinter, index: int, obj: JsonObject) -> object:
    return finished(printer.prepare(sections(obj)), 0)["cells"][index]


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        ({"clusterIPs": ["10.0.0.1", "fd00::1"], "clusterIP": "10.0.0.1"}, "10.0.0.1"),
        ({"clusterIP": "10.0.0.2"}, "10.0.0.2"),
        ({"clusterIP": "None"}, "None"),
        ({}, "<none>"),
    ],
)
def test_the_cluster_address_of_a_service(spec: JsonObject, shown: str) -> None:
    assert cell(SERVICES, 2, {"spec": spec}) == shown


def test_a_service_of_a_type_nobody_knows_has_no_external_address() -> None:
    assert cell(SERVICES, 3, {"spec": {"type": "Beam"}}) == "<unknown>"


def test_parameters_without_a_group() -> None:
    obj = {"metadata": {"name": "c"}, "spec": {"parameters": {"kind": "ConfigMap", "name": "p"}}}
    assert cell(INGRESS_CLASSES, 2, obj) == "ConfigMap/p"


def test_a_subset_that_only_has_addresses_that_are_not_ready() -> None:
    assert cell(ENDPOINTS, 1, {"subsets": [{"notReadyAddresses": [{"ip": "192.0.2.1"}]}]}) == ""
