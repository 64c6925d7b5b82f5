import pytest

from gateway.audit.config import AuditConfig
from gateway.audit.policy import Level, audit_level
from tests.gateway.audit.support import info

DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
SECRETS = "/api/v1/namespaces/shop/secrets"
PODS = "/api/v1/namespaces/shop/pods"
DEFAULT = AuditConfig()


@pytest.mark.parametrize(
    ("method", "path", "code", "expected"),
    [
        ("POST", DEPLOYMENTS, 201, Level.REQUEST),
        ("DELETE", DEPLOYMENTS, 409, Level.REQUEST),
        ("PUT", f"{SECRETS}/s", 200, Level.METADATA),
        ("GET", f"{SECRETS}/s", 200, Level.METADATA),
        ("GET", SECRETS, 200, Level.METADATA),
        ("GET", f"{DEPLOYMENTS}/web", 200, Level.NONE),
        ("GET", f"{DEPLOYMENTS}/web", 403, Level.METADATA),
        ("GET", f"{PODS}/p/exec", 101, Level.METADATA),
        ("GET", f"{PODS}/p/log", 200, Level.NONE),
        ("POST", f"{PODS}/p/portforward", 101, Level.METADATA),
        ("GET", "/version", 200, Level.NONE),
        ("GET", "/metrics", 403, Level.METADATA),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 201, Level.NONE),
    ],
)
def test_the_default_policy(method: str, path: str, code: int, expected: Level) -> None:
    assert audit_level(info(method, path), code, DEFAULT) is expected


@pytest.mark.parametrize(
    ("reads", "path", "expected"),
    [
        (("*",), f"{DEPLOYMENTS}/web", Level.METADATA),
        (("deployments.apps",), f"{DEPLOYMENTS}/web", Level.METADATA),
        (("deployments",), f"{DEPLOYMENTS}/web", Level.NONE),
        (("pods/log",), f"{PODS}/p/log", Level.METADATA),
        (("pods",), f"{PODS}/p/log", Level.NONE),
        ((), f"{SECRETS}/s", Level.NONE),
    ],
)
def test_reads_are_recorded_as_configured(reads: tuple[str, ...], path: str, expected: Level) -> None:
    assert audit_level(info("GET", path), 200, AuditConfig(recorded_reads=reads)) is expected


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("DELETE", f"{DEPLOYMENTS}/web")])
def test_strangers_cannot_fill_the_log(method: str, path: str, code: int) -> None:
    assert audit_level(info(method, path), code, DEFAULT, stranger=True) is Level.NONE
    assert audit_level(info(method, path), code, DEFAULT) is Level.METADATA


def test_what_a_stranger_was_allowed_to_write_is_recorded() -> None:
    assert audit_level(info("POST", DEPLOYMENTS), 201, DEFAULT, stranger=True) is Level.REQUEST


def test_objects_can_be_left_out() -> None:
    config = AuditConfig(request_objects=False)
    assert audit_level(info("POST", DEPLOYMENTS), 201, config) is Level.METADATA


def test_a_request_that_was_never_understood_is_recorded_only_when_refused() -> None:
    assert audit_level(None, 400, DEFAULT) is Level.NONE
    assert audit_level(None, 403, DEFAULT) is Level.METADATA
