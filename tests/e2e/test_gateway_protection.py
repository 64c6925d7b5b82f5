"""A protected workload cannot be deleted or scaled to zero by any route, and the audit log tells all of it."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway
from tests.e2e.test_gateway_writes import CLONE_SET, DEPLOYMENT, clone_sets

__all__ = ["clone_sets"]

APPLIED = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: guarded, namespace: default}\nspec: {SPEC}\n"


@pytest.fixture
def guarded(admin: Kubectl) -> Iterator[str]:
    """A Deployment of six replicas, protected against deletion."""
    admin.output("apply", "-f", "-", stdin=DEPLOYMENT.replace("NAME", "guarded"))
    admin.output("label", "deployment", "guarded", "resourcetemplate.karmada.io/deletion-protected=Always")
    yield "guarded"
    admin.output("label", "deployment", "guarded", "resourcetemplate.karmada.io/deletion-protected-")
    admin.output("delete", "deployment", "guarded")


ROUTES = {
    "scale": ("scale", "deployment", "guarded", "--replicas=0"),
    "scale with a precondition": ("scale", "deployment", "guarded", "--current-replicas=6", "--replicas=0"),
    "strategic patch": ("patch", "deployment", "guarded", "-p", '{"spec":{"replicas":0}}'),
    "merge patch": ("patch", "deployment", "guarded", "--type=merge", "-p", '{"spec":{"replicas":0}}'),
    "json patch": (
        "patch", "deployment", "guarded", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":0}]',
    ),
    "null in a merge patch": ("patch", "deployment", "guarded", "--type=merge", "-p", '{"spec":{"replicas":null}}'),
    "escaped letters": ("patch", "deployment", "guarded", "--type=merge", "-p", '{"spec":{"\\u0072eplicas":0}}'),
    "scale subresource": (
        "patch", "deployment", "guarded", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":0}}',
    ),
    "half and more": ("scale", "deployment", "guarded", "--replicas=2"),
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_scales_it_down(admin: Kubectl, guarded: str, route: str) -> None:
    refused = admin.run(*ROUTES[route])
    assert refused.returncode == 1, refused.stdout
    assert "fleetgate.io/allow-scale-down" in refused.stderr
    assert json.loads(admin.output("get", "deployment", guarded, "-o", "json"))["spec"]["replicas"] == 6


def test_replace_apply_and_server_side_apply_do_not_either(admin: Kubectl, guarded: str) -> None:
    live = json.loads(admin.output("get", "deployment", guarded, "-o", "json"))
    live["spec"]["replicas"] = 0
    for verb in (("replace",), ("apply",), ("apply", "--server-side", "--force-conflicts")):
        live["metadata"].pop("managedFields", None)
        refused = admin.run(*verb, "-f", "-", stdin=json.dumps(live))
        assert refused.returncode == 1, verb
        assert "fleetgate.io/allow-scale-down" in refused.stderr, verb
    assert json.loads(admin.output("get", "deployment", guarded, "-o", "json"))["spec"]["replicas"] == 6


def test_dry_run_decides_the_same(admin: Kubectl, guarded: str) -> None:
    refused = admin.run("patch", "deployment", guarded, "--dry-run=server", "-p", '{"spec":{"replicas":0}}')
    assert refused.returncode == 1
    assert "fleetgate.io/allow-scale-down" in refused.stderr


def test_the_annotation_lifts_it(admin: Kubectl) -> None:
    admin.output("apply", "-f", "-", stdin=DEPLOYMENT.replace("NAME", "lifted"))
    admin.output("annotate", "deployment", "lifted", "fleetgate.io/allow-scale-down=true")
    assert admin.output("scale", "deployment", "lifted", "--replicas=0") == "deployment.apps/lifted scaled\n"
    admin.output("delete", "deployment", "lifted")


def test_it_is_not_deleted(admin: Kubectl, guarded: str) -> None:
    label = "resourcetemplate.karmada.io/deletion-protected"
    for command in (
        ("delete", "deployment", guarded),
        ("delete", "deployment", guarded, "--grace-period=0", "--force"),
        ("delete", "deployment", "-l", f"app={guarded}"),
        ("delete", "--raw", "/apis/apps/v1/namespaces/default/deployments"),
        ("delete", "namespace", "default"),
        ("delete", "deployment", guarded, "--dry-run=server"),
    ):
        refused = admin.run(*command)
        assert refused.returncode == 1, command
        assert "is forbidden" in refused.stderr, (command, refused.stderr)
        assert label in refused.stderr, (command, refused.stderr)
    admin.output("get", "deployment", guarded)


def test_custom_kinds_are_protected_alike(admin: Kubectl, clone_sets: None) -> None:
    admin.output("apply", "-f", "-", stdin=CLONE_SET)
    admin.output("label", "clone", "web", "policy.kruise.io/delete-protection=Always")
    for command in (
        ("scale", "cloneset", "web", "--replicas=0"),
        ("patch", "clone", "web", "--type=merge", "-p", '{"spec":{"replicas":1}}'),
        ("delete", "clone", "web"),
        ("delete", "crd", "clonesets.apps.kruise.io"),
    ):
        refused = admin.run(*command)
        assert refused.returncode == 1, command
        assert "is forbidden" in refused.stderr, refused.stderr
    admin.output("label", "clone", "web", "policy.kruise.io/delete-protection-")
    admin.output("delete", "clone", "web")


def test_the_audit_log_tells_all_of_it(gateway: Gateway, admin: Kubectl, guarded: str) -> None:
    admin.run("delete", "deployment", guarded)
    admin.output("scale", "deployment", guarded, "--replicas=5")
    lines = (gateway.data_dir / "audit" / "audit.log").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert all(event["kind"] == "Event" and event["apiVersion"] == "audit.k8s.io/v1" for event in events)
    about = [event for event in events if (event.get("objectRef") or {}).get("name") == guarded]
    denied = [event for event in about if event["verb"] == "delete" and event["stage"] == "ResponseComplete"]
    assert denied[-1]["responseStatus"]["code"] == 403
    assert denied[-1]["user"]["username"] == "admin"
    scaled = [event for event in about if event["objectRef"].get("subresource") == "scale"]
    assert [event["stage"] for event in scaled][-2:] == ["RequestReceived", "ResponseComplete"]
    assert scaled[-1]["auditID"] == scaled[-2]["auditID"]
    store = gateway.fleet.federation.audit_events()
    assert scaled[-1]["auditID"] in {event["auditID"] for event in store}, "the store's own log can be joined on the id"
