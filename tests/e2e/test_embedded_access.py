"""Who may do what in the embedded store: its RBAC, its protection rules on every route, and the audit log of it all."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway
from tests.e2e.side_by_side import SideBySide
from tests.e2e.test_embedded_store import SHOP

SPACE = "guarded"
IN_SPACE = ("-n", SPACE)
LIFTS = "fleetgate.io/allow-scale-down"
PROTECTED = "resourcetemplate.karmada.io/deletion-protected"


def test_a_user_sees_and_reaches_what_rbac_says(embedded: Gateway, both: SideBySide) -> None:
    as_jane = ("--as", "jane", "--as-group", "dev")
    with both.namespace("roles") as space:
        here = ("-n", space)
        both.same("create", "role", "reader", "--verb=get,list,watch", "--resource=configmaps,deployments.apps", *here)
        both.same("create", "role", "one", "--verb=update", "--resource=secrets", "--resource-name=key", *here)
        both.same("create", "rolebinding", "reader", "--role=reader", "--user=jane", *here)
        both.same("create", "rolebinding", "one", "--role=one", "--group=dev", *here)
        both.same("create", "clusterrole", "embedded-logs", "--verb=get", "--non-resource-url=/logs/*")
        both.same("create", "clusterrolebinding", "embedded-logs", "--clusterrole=embedded-logs", "--group=dev")
        both.same("get", "role,rolebinding", "-o", "wide", *here)
        both.same("describe", "role", "reader", *here)
        both.same("describe", "clusterrolebinding", "embedded-logs")
        both.same("create", "configmap", "seen", *here)
        for command in (
            ("auth", "whoami"),
            ("auth", "can-i", "list", "configmaps", *here),
            ("auth", "can-i", "list", "configmaps", "-n", "default"),
            ("auth", "can-i", "update", "secrets/key", *here),
            ("auth", "can-i", "update", "secrets/other", *here),
            ("auth", "can-i", "get", "/logs/today"),
            ("auth", "can-i", "get", "/metrics"),
            ("auth", "can-i", "--list", *here),
            ("get", "configmap", "seen", *here),
            ("get", "configmaps", "-A"),
            ("get", "secrets", *here),
            ("get", "secret", "key", *here),
            ("delete", "configmap", "seen", *here),
            ("create", "configmap", "mine", *here),
            ("get", "namespaces"),
            ("create", "rolebinding", "more", "--clusterrole=cluster-admin", "--user=jane", *here),
        ):
            both.same(*command, *as_jane)
        for mine in (("get", "configmaps", *here, "-o", "name"), ("auth", "can-i", "list", "secrets", *here)):
            jane = embedded.kubectl(embedded.issue("jane", ["dev"]))
            assert jane.run(*mine).stdout == both.gateway.run(*mine, *as_jane).stdout, "a certificate says no more"
        both.each("delete", "clusterrole,clusterrolebinding", "embedded-logs")


@pytest.fixture(scope="module")
def guarded(both: SideBySide) -> Iterator[Kubectl]:
    """A Deployment of six replicas, protected against deletion, that server-side apply has made."""
    store = both.gateway
    store.output("create", "namespace", SPACE)
    six = SHOP.replace("SPACE", SPACE).partition("---")[0].replace("replicas: 3", "replicas: 6")
    store.output("apply", "--server-side", "-f", "-", stdin=six)
    store.output("label", "deployment", "web", f"{PROTECTED}=Always", *IN_SPACE)
    yield store
    store.output("label", "deployment", "web", f"{PROTECTED}-", *IN_SPACE)
    store.output("delete", "namespace", SPACE)


def applied(guarded: Kubectl, **spec: object) -> str:
    live = json.loads(guarded.output("get", "deployment", "web", "-o", "json", *IN_SPACE))
    kept = {name: value for name, value in live["spec"].items() if name in {"selector", "template"}}
    metadata = {"name": "web", "namespace": SPACE, "labels": live["metadata"]["labels"]}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {**kept, **spec}})


SCALE_DOWNS = {
    "scale": ("scale", "deployment", "web", "--replicas=0"),
    "scale by PUT": ("scale", "deployment", "web", "--current-replicas=6", "--replicas=0"),
    "half and more": ("scale", "deployment", "web", "--replicas=2"),
    "strategic patch": ("patch", "deployment", "web", "-p", '{"spec":{"replicas":0}}'),
    "merge patch": ("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"replicas":0}}'),
    "null": ("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"replicas":null}}'),
    "json patch": (
        "patch", "deployment", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":0}]',
    ),
    "escaped": ("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"\\u0072eplicas":0}}'),
    "subresource": (
        "patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":0}}',
    ),
    "dry run": ("patch", "deployment", "web", "--dry-run=server", "-p", '{"spec":{"replicas":0}}'),
}  # fmt: skip


@pytest.mark.parametrize("route", SCALE_DOWNS)
def test_no_route_scales_down(guarded: Kubectl, route: str) -> None:
    refused = guarded.run(*SCALE_DOWNS[route], *IN_SPACE)
    assert refused.returncode == 1, refused.stdout
    assert LIFTS in refused.stderr, refused.stderr


@pytest.mark.parametrize(
    ("verb", "spec"),
    [
        (("replace",), {"replicas": 0}),
        (("replace",), {}),
        (("apply", "--server-side"), {"replicas": 0}),
        (("apply", "--server-side"), {}),
        (("apply", "--server-side", "--dry-run=server"), {}),
    ],
    ids=str,
)
def test_no_manifest_scales_down(guarded: Kubectl, verb: tuple[str, ...], spec: dict[str, int]) -> None:
    refused = guarded.run(*verb, "-f", "-", stdin=applied(guarded, **spec))
    assert refused.returncode == 1, refused.stdout
    assert LIFTS in refused.stderr, refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("delete", "deployment", "web"),
        ("delete", "deployment", "web", "--force", "--grace-period=0"),
        ("delete", "deployment", "web", "--cascade=orphan"),
        ("delete", "deployment", "web", "--dry-run=server"),
        ("delete", "deployment", "--all"),
        ("delete", "--raw", f"/apis/apps/v1/namespaces/{SPACE}/deployments"),
        ("delete", "namespace", SPACE),
    ],
    ids=" ".join,
)
def test_nothing_deletes_it(guarded: Kubectl, command: tuple[str, ...]) -> None:
    refused = guarded.run(*command, *(() if "--raw" in command or "namespace" in command else IN_SPACE))
    assert refused.returncode == 1, refused.stdout
    assert "is forbidden" in refused.stderr
    assert PROTECTED in refused.stderr


def test_what_it_is_after_all_that(guarded: Kubectl) -> None:
    assert json.loads(guarded.output("get", "deployment", "web", "-o", "json", *IN_SPACE))["spec"]["replicas"] == 6
    assert guarded.output("scale", "deployment", "web", "--replicas=5", *IN_SPACE) == "deployment.apps/web scaled\n"
    guarded.output("annotate", "deployment", "web", f"{LIFTS}=true", *IN_SPACE)
    assert guarded.output("scale", "deployment", "web", "--replicas=0", *IN_SPACE) == "deployment.apps/web scaled\n"


def test_the_audit_log_tells_it(embedded: Gateway, guarded: Kubectl) -> None:
    guarded.run("delete", "deployment", "web", *IN_SPACE)
    guarded.output("label", "deployment", "web", "told=yes", *IN_SPACE)
    lines = (embedded.data_dir / "audit" / "audit.log").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    objects = [(event, event.get("objectRef") or {}) for event in events]
    about = [event for event, ref in objects if (ref.get("namespace"), ref.get("name")) == (SPACE, "web")]
    refused = [event for event in about if event["verb"] == "delete"][-1]
    assert (refused["stage"], refused["responseStatus"]["code"]) == ("ResponseComplete", 403)
    announced, done = about[-2:]
    assert [announced["stage"], done["stage"]] == ["RequestReceived", "ResponseComplete"]
    assert announced["auditID"] == done["auditID"]
    assert (done["verb"], done["user"]["username"], done["responseStatus"]["code"]) == ("patch", "admin", 200)
