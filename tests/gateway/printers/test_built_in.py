import pytest

from gateway.printers.built_in import BUILT_IN
from gateway.printers.printer import EVENTS, NEW_EVENTS, PODS
from gateway.storage.resources import FEDERATION_RESOURCES, MEMBER_RESOURCES
from tests.gateway.printers.goldens import differences, recorded


@pytest.mark.parametrize("resource", recorded())
def test_tables_are_those_of_kubernetes(resource: str) -> None:
    assert differences(recorded()[resource]) == []


def test_every_built_in_table_was_recorded() -> None:
    assert {str(resource) for resource in BUILT_IN} <= recorded().keys()


def test_every_kind_that_an_embedded_store_serves_has_a_table() -> None:
    built_in = {
        definition.group_resource for definition in (*FEDERATION_RESOURCES, *MEMBER_RESOURCES) if definition.builtin
    }
    assert built_in == {*BUILT_IN, PODS, EVENTS, NEW_EVENTS}
