from gateway.storage.cluster_schema import CLUSTER_COLUMNS, CLUSTER_SCHEMA
from gateway.storage.custom_resources.pruning import prune_custom_resource
from gateway.storage.custom_resources.schema_rules import structural_faults


def test_the_schema_is_structural() -> None:
    assert structural_faults(CLUSTER_SCHEMA, "schema") == []


def test_fields_of_later_versions_are_kept() -> None:
    cluster = {"metadata": {"name": "m"}, "spec": {"syncMode": "Push", "fromTheFuture": 1}, "status": {"new": 2}}
    assert prune_custom_resource(cluster, CLUSTER_SCHEMA) == []
    assert cluster["spec"] == {"syncMode": "Push", "fromTheFuture": 1}


def test_columns_read_simple_paths() -> None:
    assert all(column.json_path.startswith(".") for column in CLUSTER_COLUMNS)
