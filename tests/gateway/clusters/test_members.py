from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.clusters.kubeconfig import KubeconfigError, read_kubeconfig
from gateway.clusters.members import (
    Declaration,
    Origin,
    declare_cluster,
    declare_contexts,
    difference,
    merge_declarations,
)


def cluster(name: str = "m1", *, endpoint: str = "https://10.0.0.1", **more: Any) -> dict[str, Any]:
    spec = {"apiEndpoint": endpoint, "secretRef": {"namespace": "karmada-cluster", "name": "b"}}
    return {"metadata": {"name": name, **more.pop("metadata", {})}, "spec": spec, **more}


def named(*declarations: Declaration) -> dict[str, Declaration]:
    return {declaration.name: declaration for declaration in declarations}


def test_a_cluster_object_declares_a_member() -> None:
    declared = declare_cluster(cluster())
    assert (declared.name, declared.origin, declared.problem) == ("m1", Origin.STORE, "")
    assert declared.endpoint is not None
    assert declared.endpoint.url == "https://10.0.0.1"


@pytest.mark.parametrize("obj", [cluster(endpoint=""), cluster("A.b"), {"metadata": {"name": "m1"}}])
def test_a_cluster_that_cannot_be_used_says_why(obj: dict[str, Any]) -> None:
    assert declare_cluster(obj).problem
    assert declare_cluster(obj).endpoint is None


def test_a_cluster_with_credentials_elsewhere_cannot_be_used() -> None:
    declared = declare_cluster(cluster(), ("members",))
    assert "karmada-cluster/b" in declared.problem
    assert declared.endpoint is None
    assert declare_cluster(cluster(), ("members", "karmada-cluster")).problem == ""


def test_a_change_of_status_is_no_change() -> None:
    before = declare_cluster(cluster(metadata={"resourceVersion": "1"}))
    after = declare_cluster(cluster(metadata={"resourceVersion": "2"}, status={"kubernetesVersion": "v1"}))
    assert before == after


def test_an_annotation_renews_and_an_address_opens() -> None:
    before = declare_cluster(cluster())
    renewed = declare_cluster(cluster(metadata={"annotations": {"fleetgate.io/credentials-written-at": "now"}}))
    moved = declare_cluster(cluster(endpoint="https://10.0.0.2"))
    assert difference(named(before), named(renewed)).renewed == (renewed,)
    assert difference(named(before), named(moved)).opened == (moved,)


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"apiEndpoint": "https://10.0.0.1", "secretRef": {"namespace": "karmada-cluster", "name": "other"}}},
        {
            "spec": {
                "apiEndpoint": "https://10.0.0.1",
                "secretRef": {"namespace": "karmada-cluster", "name": "b"},
                "insecureSkipTLSVerification": True,
            }
        },
        {"metadata": {"name": "m1", "labels": {"app.kubernetes.io/managed-by": "fleetgate"}}},
    ],
)
def test_another_way_to_a_member_opens_it_again(change: dict[str, Any]) -> None:
    after = declare_cluster({**cluster(), **change})
    assert difference(named(declare_cluster(cluster())), named(after)).opened == (after,)


def test_a_mended_cluster_is_opened() -> None:
    broken, whole = declare_cluster(cluster(endpoint="")), declare_cluster(cluster())
    assert difference(named(broken), named(whole)).opened == (whole,)
    assert difference(named(whole), named(broken)).opened == (broken,)


def test_new_gone_and_unchanged() -> None:
    one, two, three = (declare_cluster(cluster(name)) for name in ("one", "two", "three"))
    found = difference(named(one, two), named(two, three))
    assert (found.removed, found.opened, found.renewed) == (("one",), (three,), ())


def test_the_file_wins_over_the_store() -> None:
    stored = declare_cluster(cluster())
    listed = replace(stored, origin=Origin.FILE)
    assert merge_declarations(named(listed), named(stored, declare_cluster(cluster("m2"))))["m1"] is listed


def kubeconfig(folder: Path, *contexts: str, user: dict[str, Any] | None = None) -> Path:
    path = folder / "members"
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1"}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_each_context_declares_a_member(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "m1", "m2")
    declared = declare_contexts(read_kubeconfig(path), (), "r1")
    assert [(one.name, one.origin, one.context, one.revision) for one in declared] == [
        ("m1", Origin.FILE, "m1", "r1"),
        ("m2", Origin.FILE, "m2", "r1"),
    ]


def test_a_touched_file_renews(tmp_path: Path) -> None:
    read = read_kubeconfig(kubeconfig(tmp_path, "m1"))
    before, after = (named(*declare_contexts(read, (), revision)) for revision in ("r1", "r2"))
    assert difference(before, after).renewed == tuple(after.values())


def test_a_context_with_a_name_that_no_member_may_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="rename the context"):
        declare_contexts(read_kubeconfig(kubeconfig(tmp_path, "admin@m1")), (), "r")


def test_a_context_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "m1", user={"username": "a", "password": "b"})
    with pytest.raises(KubeconfigError, match="passwords"):
        declare_contexts(read_kubeconfig(path), (), "r")
