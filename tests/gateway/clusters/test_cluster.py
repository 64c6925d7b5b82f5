from typing import Any

import pytest

from gateway.clusters.cluster import SecretReference, name_problem, parse_cluster
from gateway.clusters.endpoint import EndpointError


def cluster(name: str = "member1", labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    spec.setdefault("apiEndpoint", "https://10.0.0.1:6443")
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": spec}


def test_all_fields_that_say_how_to_reach_a_member() -> None:
    parsed = parse_cluster(
        cluster(
            secretRef={"namespace": "karmada-cluster", "name": "member1"},
            impersonatorSecretRef={"namespace": "karmada-cluster", "name": "member1-impersonator"},
            insecureSkipTLSVerification=True,
            proxyURL="http://proxy:3128",
            proxyHeader={"Proxy-Authorization": "Basic a", "X-Route": "one, two"},
            syncMode="Pull",
        )
    )
    assert parsed.endpoint.url == "https://10.0.0.1:6443"
    assert parsed.endpoint.insecure_skip_tls_verify
    assert parsed.endpoint.proxy_url == "http://proxy:3128"
    assert parsed.endpoint.proxy_headers == {"Proxy-Authorization": ("Basic a",), "X-Route": ("one", "two")}
    assert parsed.secret == SecretReference("karmada-cluster", "member1")
    assert str(parsed.impersonator_secret) == "karmada-cluster/member1-impersonator"
    assert parsed.sync_mode == "Pull"


def test_the_name_in_the_certificate_stands_in_an_annotation() -> None:
    obj = cluster()
    obj["metadata"]["annotations"] = {"fleetgate.io/tls-server-name": "kubernetes"}
    assert parse_cluster(obj).endpoint.tls_server_name == "kubernetes"


def test_a_bare_cluster_has_no_secrets_and_karmadas_impersonation() -> None:
    parsed = parse_cluster(cluster())
    assert parsed.secret is None
    assert parsed.impersonator_secret is None
    assert parsed.sync_mode == "Push"
    assert not parsed.full_impersonation


def test_a_cluster_that_join_wrote_impersonates_fully() -> None:
    assert parse_cluster(cluster(labels={"app.kubernetes.io/managed-by": "fleetgate"})).full_impersonation


@pytest.mark.parametrize("reference", [None, "x", {}, {"namespace": "a"}, {"namespace": "", "name": "b"}, {"name": 1}])
def test_a_half_reference_is_none(reference: Any) -> None:
    assert parse_cluster(cluster(secretRef=reference)).secret is None


@pytest.mark.parametrize("spec", [{"apiEndpoint": ""}, {"apiEndpoint": None}, {"apiEndpoint": 5}])
def test_a_cluster_without_an_address_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(EndpointError, match=r"spec\.apiEndpoint"):
        parse_cluster(cluster(**spec))


def test_a_spec_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(EndpointError):
        parse_cluster({"metadata": {"name": "a"}, "spec": []})


@pytest.mark.parametrize("name", ["a", "member-1", "1", "x" * 48])
def test_good_names(name: str) -> None:
    assert name_problem(name) == ""


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "a_b", "x" * 49, "a/b", "ä"])
def test_bad_names(name: str) -> None:
    assert name_problem(name)
    with pytest.raises(ValueError, match=r"cluster"):
        parse_cluster(cluster(name))
