import uuid

from gateway.filters.audit_id import new_audit_id
from tests.gateway.filters.handlers import echo
from tests.support.gateway_chain import Pki, running_chain


def test_an_audit_id_is_a_random_uuid() -> None:
    ids = {new_audit_id() for _ in range(200)}
    assert len(ids) == 200
    for text in ids:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


async def test_every_answer_names_its_own_audit_id(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        first = await chain.ask("GET", "/api/v1/pods")
        second = await chain.ask("GET", "/api/v1/pods")
    assert uuid.UUID(first.headers["Audit-Id"]).version == 4
    assert first.headers["Audit-Id"] == first.json()["audit_id"] != second.headers["Audit-Id"]


async def test_the_clients_id_is_never_adopted(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        answer = await chain.ask("GET", "/api/v1/pods", headers={"Audit-ID": "mine"})
        assert answer.headers["Audit-Id"] != "mine"
        assert chain.audit.records[0].annotations["audit.fleetgate.io/client-audit-id"] == "mine"


async def test_refusals_carry_it_as_well(gateway_pki: Pki) -> None:
    async with running_chain(gateway_pki, echo) as chain:
        for path in ("/api/v1/pods", "/api/%2e%2e/x"):
            answer = await chain.ask("GET", path, user="")
            assert answer.status in {400, 401}
            assert uuid.UUID(answer.headers["Audit-Id"])
            assert answer.headers["Cache-Control"] == "no-cache, private"
