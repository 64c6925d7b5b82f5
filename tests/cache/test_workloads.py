import json
from datetime import UTC, datetime

import msgspec
import pytest

from cache.workloads import owner_names, parse_workload, workload_chain
from gateway.apimachinery.errors import ApiError
from tests.support.objects import pod

CREATED = int(datetime(2026, 1, 31, tzinfo=UTC).timestamp())
DUE = CREATED // 60


def chain(kind, name, *, api_version="apps/v1", labels=None, **more):
    owner = {"apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": True, **more}
    return chain_of(pod(labels=labels, created=CREATED, ownerReferences=[owner])["metadata"])


def chain_of(metadata):
    return workload_chain(msgspec.json.decode(json.dumps(metadata), type=dict[str, msgspec.Raw]))


@pytest.mark.parametrize(
    ("kind", "api_version", "expected"),
    [
        ("StatefulSet", "apps/v1", "statefulset.apps/web"),
        ("DaemonSet", "apps/v1", "daemonset.apps/web"),
        ("Job", "batch/v1", "job.batch/web"),
        ("ReplicationController", "v1", "replicationcontroller/web"),
        ("CloneSet", "apps.kruise.io/v1alpha1", "cloneset.apps.kruise.io/web"),
    ],
)
def test_a_controller_owns_its_pods(kind, api_version, expected):
    assert chain(kind, "web", api_version=api_version) == expected


def test_a_deployment_owns_the_pods_of_its_replica_sets():
    labels = {"pod-template-hash": "5f7b"}
    assert chain("ReplicaSet", "web-5f7b", labels=labels) == "replicaset.apps/web-5f7b deployment.apps/web"
    assert chain("ReplicaSet", "my-web-1-5f7b", labels=labels).split()[1] == "deployment.apps/my-web-1"


def test_an_argo_rollout_owns_the_pods_of_its_replica_sets():
    labels = {"rollouts-pod-template-hash": "5f7b"}
    assert chain("ReplicaSet", "web-5f7b", labels=labels) == "replicaset.apps/web-5f7b rollout.argoproj.io/web"


@pytest.mark.parametrize(
    ("name", "api_version", "labels"),
    [
        ("web-5f7b", "apps/v1", None),
        ("web-5f7b", "apps/v1", {"pod-template-hash": "f7b"}),
        ("web5f7b", "apps/v1", {"pod-template-hash": "5f7b"}),
        ("5f7b", "apps/v1", {"pod-template-hash": "5f7b"}),
        ("-5f7b", "apps/v1", {"pod-template-hash": "5f7b"}),
        ("web-", "apps/v1", {"pod-template-hash": ""}),
        ("web-5f7b", "example.com/v1", {"pod-template-hash": "5f7b"}),
    ],
)
def test_a_replica_set_that_is_no_deployments(name, api_version, labels):
    assert len(chain("ReplicaSet", name, api_version=api_version, labels=labels).split()) == 1


@pytest.mark.parametrize("minute", [DUE, DUE - 1, DUE + 2, DUE - 24 * 60 * 300])
def test_a_cron_job_owns_the_pods_of_its_jobs(minute):
    name = f"backup-{minute}"
    assert chain("Job", name, api_version="batch/v1") == f"job.batch/{name} cronjob.batch/backup"


@pytest.mark.parametrize(
    "name",
    [
        "backup",
        "backup-1",
        "backup-20260131",
        f"backup-{DUE + 60}",
        f"backup-0{DUE}",
        f"backup-{'9' * 400}",
        f"-{DUE}",
        "backup-²²²²²²²²",
        str(DUE),
    ],
)
def test_a_job_that_is_no_cron_jobs(name):
    assert len(chain("Job", name, api_version="batch/v1").split()) == 1


def test_jobs_of_other_groups_are_no_cron_jobs():
    name = f"backup-{DUE}"
    assert chain("Job", name, api_version="batch.volcano.sh/v1alpha1") == f"job.batch.volcano.sh/{name}"


def test_a_job_of_unknown_age_has_no_cron_job():
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": f"backup-{DUE}", "controller": True}
    for created in (None, "", "yesterday"):
        chain = chain_of({"ownerReferences": [owner], "creationTimestamp": created})
        assert chain == f"job.batch/backup-{DUE}"


def test_only_the_controller_owns():
    assert chain("StatefulSet", "web", controller=False) == ""
    assert chain("StatefulSet", "web", controller=None) == ""
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "conf"}
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web", "controller": True}
    assert chain_of({"ownerReferences": [other, owner]}) == "daemonset.apps/web"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"ownerReferences": None},
        {"ownerReferences": "web"},
        {"ownerReferences": [None]},
        {"ownerReferences": [{"controller": True}]},
        {"ownerReferences": [{"controller": True, "kind": "A B", "name": "x"}]},
        {"ownerReferences": [{"controller": True, "kind": "Job", "name": "x job.batch/y"}]},
        {"ownerReferences": [{"controller": True, "kind": "Job", "name": 7}]},
        {"ownerReferences": [{"controller": True, "kind": "Job", "name": "a"}], "labels": {"pod-template-hash": 1}},
    ],
)
def test_odd_metadata_belongs_to_nothing(metadata):
    assert chain_of(metadata) == ""


DEPLOYMENT = "replicaset.apps/web-5f7b deployment.apps/web"


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("deployments.apps/web", DEPLOYMENT),
        ("Deployment.apps/web", DEPLOYMENT),
        ("deployments.v1.apps/web", DEPLOYMENT),
        ("deployments/web", DEPLOYMENT),
        ("DEPLOYMENT/web", DEPLOYMENT),
        ("deploy/web", DEPLOYMENT),
        ("replicasets.apps/web-5f7b", DEPLOYMENT),
        ("rs/web-5f7b", DEPLOYMENT),
        ("clonesets.apps.kruise.io/web", "cloneset.apps.kruise.io/web"),
        ("clonesets.v1alpha1.apps.kruise.io/web", "cloneset.apps.kruise.io/web"),
        ("proxies.example.com/web", "proxy.example.com/web"),
        ("redises.example.com/web", "redis.example.com/web"),
        ("Redis/web", "redis.example.com/web"),
        ("rc/web", "replicationcontroller/web"),
        ("replicationcontrollers/web", "replicationcontroller/web"),
        ("toys.v1.example.com/web", "toy.v1.example.com/web"),
    ],
)
def test_how_a_workload_is_named(text, of):
    assert parse_workload(text).owns(of)
    assert parse_workload(text).name in owner_names(of), "what is selected is found by this name"


@pytest.mark.parametrize(
    "text",
    [
        "deployments.apps/other",
        "deployments.apps/web-5f7b",
        "deployments.apps/WEB",
        "deployments.example.com/web",
        "statefulsets.apps/web",
        "replicasets.apps/web",
    ],
)
def test_what_a_pod_does_not_belong_to(text):
    assert not parse_workload(text).owns(DEPLOYMENT)
    assert not parse_workload(text).owns("")


@pytest.mark.parametrize(
    "text", ["", "web", "/web", "deployments.apps/", "apps/v1/web", "a b/web", "deployments./web", ".apps/web", "-/x"]
)
def test_other_forms_are_refused_with_an_example(text):
    with pytest.raises(ApiError, match=r"names no workload: write RESOURCE\.GROUP/NAME") as refused:
        parse_workload(text)
    assert refused.value.code == 400
