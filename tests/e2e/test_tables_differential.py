"""Our Tables against those of a real kube-apiserver: every built-in kind, Pods and Events in all their states."""

from collections.abc import Iterator

import pytest

from tests.e2e.environment.fleet import Fleet
from tests.gateway.printers.goldens import differences
from tests.support.table_samples import RealTable, create_samples, delete_samples, real_tables, samples


@pytest.fixture(scope="module")
def tables(fleet: Fleet) -> Iterator[list[RealTable]]:
    # The federation's control plane: nothing there runs Pods or writes their status.
    client = fleet.federation.client
    create_samples(client)
    yield list(real_tables(client))
    delete_samples(client)


def test_every_cell_and_column_is_the_real_one(tables: list[RealTable]) -> None:
    assert [difference for table in tables for difference in differences(table)] == []


def test_every_sample_is_compared(tables: list[RealTable]) -> None:
    compared = {(row["object"]["kind"], row["object"]["metadata"]["name"]) for table in tables for row in table.rows}
    assert {(obj["kind"], obj["metadata"]["name"]) for obj in samples()} <= compared
