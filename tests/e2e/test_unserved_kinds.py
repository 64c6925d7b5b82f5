"""Nobody gets a protected custom object deleted by having its kind unserved: at no route, with its CRD or otherwise."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import KubectlFor
from tests.e2e.environment.kubectl import Kubectl
from tests.e2e.gateway import Gateway

LABEL = "fleetgate.io/delete-protection"
SPACE = "treasury"
CRD = "gems.hidden.io"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": CRD},
    "spec": {
        "group": "hidden.io",
        "scope": "Namespaced",
        "names": {"plural": "gems", "kind": "Gem"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
RUBY = {"apiVersion": "hidden.io/v1", "kind": "Gem", "metadata": {"name": "ruby"}}


class Place:
    """A server seen through a gateway, with kubectl for the gateway and, where it is another server, past it."""

    def __init__(self, kubectl: Kubectl, *server: str, past: Kubectl | None = None) -> None:
        self._kubectl = kubectl
        self._server = server
        self.past = past

    def run(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run kubectl in the namespace of these tests."""
        return self._kubectl.run(*self._server, "-n", SPACE, *arguments, stdin=stdin)

    def output(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it, and have it succeed."""
        return self._kubectl.output(*self._server, "-n", SPACE, *arguments, stdin=stdin)

    def refuses(self, *arguments: str) -> str:
        """Run it, have it refused by a rule, and return what it says."""
        refused = self.run(*arguments)
        assert refused.returncode == 1, (arguments, refused.stdout)
        assert "is forbidden" in refused.stderr, (arguments, refused.stderr)
        return str(refused.stderr)


@pytest.fixture(params=["embedded", "federation", "member"])
def place(request: pytest.FixtureRequest, kubectl: KubectlFor) -> Iterator[Place]:
    """Each place, with a protected object of a custom kind."""
    if request.param == "embedded":
        place = Place(request.getfixturevalue("store"))
    else:
        gateway: Gateway = request.getfixturevalue("gateway")
        admin = request.getfixturevalue("admin")
        if request.param == "member":
            server = ("--server", f"{gateway.url}/clusters/member1")
            place = Place(admin, *server, past=kubectl(gateway.fleet.members["member1"].kubeconfig))
        else:
            place = Place(admin, past=kubectl(gateway.fleet.federation.kubeconfig))
    place.output("create", "namespace", SPACE)
    place.output("create", "-f", "-", stdin=json.dumps(DEFINITION))
    place.output("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
    place.output("create", "-f", "-", stdin=json.dumps(RUBY))
    place.output("label", "gem", "ruby", f"{LABEL}=Always")
    yield place
    place.output("label", "gems", "--all", f"{LABEL}-")
    place.output("delete", "crd", CRD, "--timeout=60s")
    place.output("delete", "namespace", SPACE, "--timeout=60s")


def served(value: bool) -> tuple[str, ...]:
    """Return the command that has the kind served or not."""
    patch = [{"op": "replace", "path": "/spec/versions/0/served", "value": value}]
    return ("patch", "crd", CRD, "--type=json", "-p", json.dumps(patch))


def test_a_kind_with_protected_objects_stays_served(place: Place) -> None:
    assert "gems.hidden.io treasury/ruby" in place.refuses(*served(False))
    assert "gems.hidden.io treasury/ruby" in place.refuses("delete", "crd", CRD)
    for status in ({"conditions": None}, {"conditions": None, "storedVersions": None, "acceptedNames": None}):
        patch = json.dumps({"status": status})
        place.run("patch", "crd", CRD, "--subresource=status", "--type=merge", "-p", patch)
        place.refuses("delete", "crd", CRD)
        place.refuses("delete", "namespace", SPACE)
    place.output("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
    place.output("get", "gem", "ruby")


@pytest.mark.parametrize("place", ["federation", "member"], indirect=True)
def test_what_was_unserved_past_the_gateway_is_not_deleted_by_it(place: Place) -> None:
    """The embedded store has no way past the gateway."""
    assert place.past is not None
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    place.output("create", "-f", "-", stdin=json.dumps(owner))
    place.past.output(*served(False))
    for command in (("crd", CRD), ("namespace", SPACE), ("configmap", "owner")):
        assert "does not serve gems.hidden.io" in place.refuses("delete", *command)
    place.output("delete", "configmap", "owner", "--cascade=orphan")
    place.output(*served(True))
    place.output("wait", "--for=create", "gem/ruby", "--timeout=30s")
