from typing import Any

import pytest

from gateway.clusters.cluster import SecretReference, name_problem, parse_cluster, secret_problem
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


@pytest.mark.parametrize("field", ["secretRef", "impersonatorSecretRef"])
@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("karmada-cluster", "../../kube-system/secrets/admin"),
        ("karmada-cluster", "m1?watch=true"),
        ("karmada-cluster", ".."),
        ("karmada-cluster", "M1"),
        ("karmada-cluster/secrets/m1", "m1"),
        ("..", "m1"),
        ("a.b", "m1"),
    ],
)
def test_a_reference_that_can_name_no_secret_is_refused(field: str, namespace: str, name: str) -> None:
    spec: dict[str, Any] = {field: {"namespace": namespace, "name": name}}
    with pytest.raises(ValueError, match=rf"spec\.{field}"):
        parse_cluster(cluster(**spec))


@pytest.mark.parametrize("field", ["secretRef", "impersonatorSecretRef"])
def test_a_secret_elsewhere_is_a_problem(field: str) -> None:
    spec: dict[str, Any] = {field: {"namespace": "kube-system", "name": "admin"}}
    parsed = parse_cluster(cluster(**spec))
    assert secret_problem(parsed, {"kube-system"}) == ""
    problem = secret_problem(parsed, {"karmada-cluster", "members"})
    assert f"spec.{field} names the Secret kube-system/admin" in problem
    assert "karmada-cluster, members" in problem
    assert "members.secretNamespaces" in problem
    assert "of no namespace" in secret_problem(parsed, ())


def test_a_cluster_without_secrets_has_no_problem_with_them() -> None:
    assert secret_problem(parse_cluster(cluster()), ()) == ""


def test_a_proxy_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(EndpointError, match=r"spec\.proxyURL.*socks5"):
        parse_cluster(cluster(proxyURL="socks5://proxy:1080"))


def test_headers_for_no_proxy_are_kept_from_the_member() -> None:
    parsed = parse_cluster(cluster(proxyHeader={"Proxy-Authorization": "Basic a"}))
    assert parsed.endpoint.proxy_url == ""
    assert parsed.endpoint.proxy_headers == {}


@pytest.mark.parametrize(
    "headers", [{"X-A\r\nHost": "b"}, {"X-A": "b\r\nAuthorization: c"}, {"": "b"}, {"X A": "b"}, {"X-A": "\x00"}]
)
def test_headers_that_cannot_be_sent_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"spec\.proxyHeader"):
        parse_cluster(cluster(proxyURL="http://proxy:3128", proxyHeader=headers))
