import pytest

from gateway.apimachinery.schema import GroupResource
from gateway.discovery.resource_name import parse_resource_name, parse_resource_names
from gateway.discovery.surface import ApiGroup, ApiResource, ApiVersion
from tests.gateway.discovery.builders import CORE, resource

JOBS = resource("batch/v1", "jobs", "Job")
OLD_JOBS = resource("batch/v1beta1", "jobs", "Job")
CRON_JOBS = resource("batch/v1beta1", "cronjobs", "CronJob")
CLONES = resource("apps.kruise.io/v1alpha1", "clonesets", "CloneSet", custom=True)
SERVER = (
    CORE,
    ApiGroup("batch", (ApiVersion("v1", (JOBS,)), ApiVersion("v1beta1", (OLD_JOBS, CRON_JOBS)))),
    ApiGroup("apps.kruise.io", (ApiVersion("v1alpha1", (CLONES,)),)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs.batch", JOBS),
        ("jobs.v1.batch", JOBS),
        ("jobs.v1beta1.batch", OLD_JOBS),
        ("jobs.v2.batch", None),
        ("cronjobs.batch", CRON_JOBS),
        ("clonesets.apps.kruise.io", CLONES),
        ("clonesets.v1alpha1.apps.kruise.io", CLONES),
        ("clonesets.kruise.io", None),
        ("jobs", None),
        ("job.batch", None),
    ],
)
def test_what_a_name_means_at_a_server(text: str, expected: ApiResource | None) -> None:
    assert parse_resource_name(text).find(SERVER) == expected


@pytest.mark.parametrize("text", ["nodes", "nodes.v1."])
def test_the_core_group(text: str) -> None:
    found = parse_resource_name(text).find(SERVER)
    assert found is not None
    assert (found.kind, found.namespaced) == ("Node", False)


def test_what_cannot_be_watched_is_not_found() -> None:
    metrics = ApiResource(JOBS.gvr, JOBS.gvk, namespaced=True, singular="job", verbs=("get", "list"))
    assert parse_resource_name("jobs.batch").find([ApiGroup("batch", (ApiVersion("v1", (metrics,)),))]) is None


def test_all_that_a_name_may_mean() -> None:
    assert parse_resource_name("jobs.v1.batch").group_resources == {
        GroupResource("batch", "jobs"),
        GroupResource("v1.batch", "jobs"),
    }


@pytest.mark.parametrize(
    "text", ["", "Nodes", "*", "*.apps", "nodes/status", "nodes..", ".nodes", "jobs.-batch", "a b"]
)
def test_what_names_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no resource: write the plural and the group"):
        parse_resource_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "namespaces",
        "namespaces.v1.",
        "clusterroles.rbac.authorization.k8s.io",
        "clusterroles.v1.rbac.authorization.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "clusters.cluster.karmada.io",
        "tokenreviews.authentication.k8s.io",
    ],
)
def test_what_the_store_decides_by_is_never_taken_from_members(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be taken from members"):
        parse_resource_name(text)


def test_a_resource_is_named_once() -> None:
    assert [name.text for name in parse_resource_names(["nodes", "jobs.batch"])] == ["nodes", "jobs.batch"]
    with pytest.raises(ValueError, match=r"'jobs\.v1\.batch' is given twice"):
        parse_resource_names(["jobs.batch", "jobs.v1.batch"])
