import re

from gateway.discovery.server_version import gateway_version

# What kubectl and Helm parse (semantic versioning with build metadata).
SEMANTIC_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)\+[0-9A-Za-z.-]+")


def test_major_and_minor_are_digits_and_agree_with_the_git_version() -> None:
    version = gateway_version()
    match = SEMANTIC_VERSION.fullmatch(version["gitVersion"])
    assert match is not None
    assert (version["major"], version["minor"]) == match.groups()[:2]
    assert "fleetgate" in version["gitVersion"]


def test_every_field_that_clients_decode_is_text() -> None:
    fields = {
        "major",
        "minor",
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    }
    assert set(gateway_version()) == fields
    assert all(isinstance(value, str) for value in gateway_version().values())
