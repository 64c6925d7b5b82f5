from typing import Any

import pytest

from admission.blockers import Blocker, active_content, is_active, named, protected_content
from admission.protection_labels import FLEETGATE_LABEL, KRUISE_LABEL
from gateway.apimachinery.schema import GroupResource

PODS = GroupResource("", "pods")
CLAIMS = GroupResource("", "persistentvolumeclaims")
DEPLOYMENTS = GroupResource("apps", "deployments")
CLONE_SETS = GroupResource("apps.kruise.io", "clonesets")
SECRETS = GroupResource("", "secrets")


def obj(name: str = "web", *, labels: dict[str, str] | None = None, going: bool = False, **fields: Any) -> Any:
    metadata: dict[str, Any] = {"name": name, "namespace": "shop", "labels": labels or {}}
    if going:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, **fields}


ALWAYS = {FLEETGATE_LABEL: "Always"}
CASCADING = {KRUISE_LABEL: "Cascading"}


def test_protected_objects_block_whatever_they_are() -> None:
    contents = [(SECRETS, obj("token", labels=ALWAYS)), (SECRETS, obj("other"))]
    assert protected_content(contents) == [
        Blocker("secrets", "shop/token", "label fleetgate.io/delete-protection=Always")
    ]


def test_objects_that_are_going_do_not_block() -> None:
    contents = [(SECRETS, obj(labels=ALWAYS, going=True)), (DEPLOYMENTS, obj(going=True))]
    assert protected_content(contents) == []
    assert active_content(contents) == []


def test_a_cascading_object_blocks_while_it_runs() -> None:
    assert protected_content([(DEPLOYMENTS, obj(labels=CASCADING, spec={"replicas": 2}))])
    assert not protected_content([(DEPLOYMENTS, obj(labels=CASCADING, spec={"replicas": 0}))])


def test_the_protection_that_applies_is_named() -> None:
    both = {**ALWAYS, **CASCADING}
    (blocker,) = protected_content([(DEPLOYMENTS, obj(labels=both, spec={"replicas": 0}))])
    assert blocker.reason == "label fleetgate.io/delete-protection=Always"


@pytest.mark.parametrize(
    ("resource", "fields", "expected"),
    [
        (PODS, {"status": {"phase": "Running"}}, True),
        (PODS, {}, True),
        (PODS, {"status": {"phase": "Succeeded"}}, False),
        (CLAIMS, {"status": {"phase": "Bound"}}, True),
        (CLAIMS, {"status": {"phase": "Pending"}}, False),
        (DEPLOYMENTS, {"spec": {}}, True),
        (DEPLOYMENTS, {"spec": {"replicas": 0}}, False),
        (DEPLOYMENTS, {"spec": {"replicas": "many"}}, True),
        (CLONE_SETS, {"spec": {"replicas": 1}}, True),
        (CLONE_SETS, {"spec": {}}, False),
        (SECRETS, {"data": {}}, False),
    ],
)
def test_what_counts_as_running(resource: GroupResource, fields: dict[str, Any], expected: bool) -> None:
    assert is_active(resource, obj(**fields)) is expected


def test_active_content_is_what_runs_or_holds_data() -> None:
    contents = [(SECRETS, obj("s")), (DEPLOYMENTS, obj("web", spec={"replicas": 1})), (PODS, obj("p"))]
    assert [str(blocker) for blocker in active_content(contents)] == [
        "deployments.apps shop/web (active)",
        "pods shop/p (active)",
    ]


def test_twenty_are_named_and_the_rest_is_counted() -> None:
    blockers = [Blocker("pods", f"p{index:02}", "active") for index in range(23)]
    text = named(blockers)
    assert "p19" in text
    assert "p20" not in text
    assert text.endswith(" and 3 more")


def test_an_object_without_a_name_can_still_be_named() -> None:
    (blocker,) = protected_content([(SECRETS, {"metadata": {"labels": ALWAYS}})])
    assert blocker.name == "(unnamed)"
