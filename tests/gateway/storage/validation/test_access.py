"""Rules for roles; most are recorded in test_validation.py."""

from __future__ import annotations

from gateway.storage.validation.access import validate_cluster_role, validate_role_binding


def test_aggregation_may_be_by_any_valid_selector() -> None:
    role = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, "rules": None}
    assert list(validate_cluster_role(role, None)) == []


def test_a_binding_may_be_written_again_with_the_same_role() -> None:
    binding = {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}, "subjects": None}
    assert list(validate_role_binding(binding, dict(binding))) == []
