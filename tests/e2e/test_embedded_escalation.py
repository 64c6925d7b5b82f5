"""Nobody grants in the embedded store what he does not hold, in a real kube-apiserver's words."""

import json

from tests.e2e.side_by_side import SideBySide

WRITES = "get,list,create,update,patch,delete"
WRITER = ("--as", "writer", "--as-group", "dev")
EVERYTHING = [{"op": "replace", "path": "/rules", "value": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}]


def test_a_writer_of_roles_grants_no_more_than_he_holds(both: SideBySide) -> None:
    with both.namespace("escalation") as space:
        here = ("-n", space)
        both.each("create", "role", "writer", f"--verb={WRITES}", "--resource=roles,rolebindings", *here)
        both.each("create", "role", "reader", "--verb=get,list", "--resource=configmaps", *here)
        for name in ("writer", "reader"):
            both.each("create", "rolebinding", name, f"--role={name}", "--user=writer", *here)
        widened = ("--type=json", "-p", json.dumps(EVERYTHING))
        larger = json.dumps(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"name": "larger", "namespace": space},
                "rules": [{"apiGroups": [""], "resources": ["secrets", "pods/exec"], "verbs": ["get", "create"]}],
            }
        )
        for command in (
            ("create", "role", "held", "--verb=get", "--resource=configmaps", *here),
            ("create", "rolebinding", "held", "--role=reader", "--user=friend", *here),
            ("create", "role", "more", "--verb=get,delete", "--resource=configmaps,secrets", *here),
            ("create", "role", "named", "--verb=delete", "--resource=secrets", "--resource-name=key", *here),
            ("create", "rolebinding", "more", "--clusterrole=cluster-admin", "--user=writer", *here),
            ("patch", "role", "writer", *widened, *here),
            ("patch", "role", "writer", *widened, "--dry-run=server", *here),
            ("label", "role", "writer", "touched=yes", *here),
            ("create", "clusterrole", "more", "--verb=get", "--resource=secrets"),
        ):
            both.same(*command, *WRITER)
        both.same("apply", "-f", "-", *WRITER, stdin=larger)
        both.same("apply", "--server-side", "-f", "-", *WRITER, stdin=larger)
        granted = both.same("get", "roles,rolebindings", "-o", "name", *here)
        assert [line.partition("/")[2] for line in granted.splitlines()] == 2 * ["held", "reader", "writer"]
        both.same("get", "role", "writer", "-o", "jsonpath={.rules}", *here)


def test_escalate_and_bind_lift_the_refusal(both: SideBySide) -> None:
    with both.namespace("escalating") as space:
        here = ("-n", space)
        both.each("create", "role", "lifter", f"--verb={WRITES},escalate", "--resource=roles", *here)
        both.each("create", "role", "binder", "--verb=create", "--resource=rolebindings", *here)
        both.each("create", "role", "bound", "--verb=bind", "--resource=roles", "--resource-name=secret", *here)
        for name in ("lifter", "binder", "bound"):
            both.each("create", "rolebinding", name, f"--role={name}", "--user=writer", *here)
        for command in (
            ("create", "role", "secret", "--verb=get", "--resource=secrets", *here),
            ("create", "role", "other", "--verb=get", "--resource=secrets", *here),
            ("create", "rolebinding", "secret", "--role=secret", "--user=friend", *here),
            ("create", "rolebinding", "other", "--role=other", "--user=friend", *here),
            ("create", "rolebinding", "nobody", "--role=missing", "--user=friend", *here),
        ):
            both.same(*command, *WRITER)
        assert both.same("get", "roles", "-o", "name", *here).split() == [
            f"role.rbac.authorization.k8s.io/{name}" for name in ("binder", "bound", "lifter", "other", "secret")
        ]
        granted = both.gateway.output("get", "rolebinding", "-o", "name", *here)
        assert granted.split()[-1] == "rolebinding.rbac.authorization.k8s.io/secret"
