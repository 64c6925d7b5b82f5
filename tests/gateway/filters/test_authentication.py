import pytest

from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import Pki, running_chain

UNAUTHORIZED = (
    b'{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized",'
    b'"reason":"Unauthorized","code":401}\n'
)


async def test_a_certificate_names_its_user(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        said = (await chain.ask("GET", "/api/v1/pods", user="alice", groups=("dev", "ops"))).json()
    assert said["user"] == said["requestor"] == "alice"
    assert said["groups"] == ["dev", "ops", "system:authenticated"]
    (credential,) = said["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


@pytest.mark.parametrize("path", ["/api/v1/pods", "/version", "/metrics", "/openapi/v2", "/", "/clusters/m1/livez"])
async def test_nobody_is_let_in(gateway_pki: Pki, path: str) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        answer = await chain.ask("GET", path, user="")
        assert chain.authorizer.asked == []
    assert (answer.status, answer.body) == (401, UNAUTHORIZED)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/readyz/ping"])
async def test_anybody_may_ask_for_health(gateway_pki: Pki, path: str) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        said = (await chain.ask("GET", path, user="")).json()
    assert (said["user"], said["groups"]) == ("system:anonymous", ["system:unauthenticated"])


async def test_a_token_is_a_wrong_credential(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        headers = {"Authorization": "Bearer stolen"}
        assert (await chain.ask("GET", "/livez", user="", headers=headers)).status == 401
        assert (await chain.ask("GET", "/livez", user="", headers={"Authorization": " "})).status == 200


async def test_a_certificate_needs_no_token(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain, chain.session("oscar") as session:
        async with session.get("/api/v1/pods", headers={"Authorization": "Bearer stolen"}) as response:
            assert (response.status, (await response.json())["user"]) == (200, "oscar")
        gateway_pki.revoke("oscar")
        async with session.get("/livez", headers={"Authorization": "Bearer stolen"}) as response:
            assert response.status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"},
        {"x_remote_user": "admin", "X_Remote_Group": "system:masters"},
        {"X-Forwarded-User": "admin", "X-Remote-Extra-Scopes": "all"},
    ],
)
async def test_forged_identities_count_for_nothing(gateway_pki: Pki, headers: dict[str, str]) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        said = (await chain.ask("GET", "/api/v1/pods", headers=headers)).json()
        assert (await chain.ask("GET", "/api/v1/pods", user="", headers=headers)).status == 401
    assert (said["user"], said["groups"]) == ("alice", ["system:authenticated"])


async def test_a_revoked_certificate_is_refused_on_an_open_connection(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain, chain.session("mallory") as session:
        async with session.get("/api/v1/pods") as response:
            assert response.status == 200
        gateway_pki.revoke("mallory")
        async with session.get("/api/v1/pods") as response:
            assert response.status == 401
        assert chain.listener.connections == 1
