"""Certificates over real TLS; what makes one good or bad is tested with certs/."""

import ssl
from typing import Any

import pytest
from aiohttp import web

from certs.verification import CertificateIdentity, CertificateRefusal, RefusalReason
from gateway.apimachinery.errors import ApiError
from gateway.authentication.x509 import CertificateAuthenticator, peer_certificate
from gateway.handlers.response import body_response
from gateway.request_keys import REQUESTOR
from tests.support.gateway_chain import Pki, running_chain


class FakeVerifier:
    def __init__(self, answer: CertificateIdentity | CertificateRefusal) -> None:
        self.answer = answer
        self.asked: list[bytes] = []

    def verify(self, der: bytes) -> CertificateIdentity | CertificateRefusal:
        self.asked.append(der)
        return self.answer


class FakeTls(ssl.SSLObject):
    def __init__(self, certificate: bytes | None = b"der") -> None:
        self.certificate = certificate

    def getpeercert(self, binary_form: bool = False) -> Any:
        assert binary_form
        return self.certificate


class FakeRequest:
    def __init__(self, tls: ssl.SSLObject | None, *, connected: bool = True) -> None:
        class Transport:
            def get_extra_info(self, name: str) -> ssl.SSLObject | None:
                assert name == "ssl_object"
                return tls

        self.transport = Transport() if connected else None
        self.protocol = None


def test_an_identity_becomes_a_user() -> None:
    found = CertificateIdentity("alice", ("dev",), "u-1", 5, "ab12", 0.0)
    verifier: Any = FakeVerifier(found)
    request: Any = FakeRequest(FakeTls())
    user = CertificateAuthenticator(verifier).authenticate(request)
    assert user is not None
    assert (user.name, user.uid, user.groups, user.credential_fingerprint) == ("alice", "u-1", ("dev",), "ab12")
    assert user.extra == {"authentication.kubernetes.io/credential-id": ("X509SHA256=ab12",)}
    assert verifier.asked == [b"der"]


def test_connections_are_told_apart() -> None:
    connections = [FakeTls(b"one"), FakeTls(b"two"), FakeTls(None)]
    for _ in range(2):
        requests: list[Any] = [FakeRequest(tls) for tls in connections]
        assert [peer_certificate(request) for request in requests] == [b"one", b"two", None]


def test_what_was_an_identity_before_is_looked_at_again() -> None:
    found = CertificateIdentity("alice", ("dev",), "u-1", 5, "ab12", 0.0)
    verifier: Any = FakeVerifier(found)
    request: Any = FakeRequest(FakeTls())
    authenticator = CertificateAuthenticator(verifier)
    assert authenticator.authenticate(request) is authenticator.authenticate(request)
    verifier.answer = CertificateIdentity("bob", ("ops",), None, 5, "ab12", 0.0)
    user = authenticator.authenticate(request)
    assert user is not None
    assert (user.name, user.uid, user.groups) == ("bob", "", ("ops",))
    verifier.answer = CertificateRefusal(RefusalReason.REVOKED, "x")
    with pytest.raises(ApiError):
        authenticator.authenticate(request)


def test_a_refusal_is_told_to_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    verifier: Any = FakeVerifier(CertificateRefusal(RefusalReason.REVOKED, "the certificate of 'eve' is revoked"))
    request: Any = FakeRequest(FakeTls())
    with pytest.raises(ApiError) as refusal:
        CertificateAuthenticator(verifier).authenticate(request)
    assert (refusal.value.code, refusal.value.message) == (401, "Unauthorized")
    assert "client certificate refused: Revoked: the certificate of 'eve' is revoked" in caplog.text


@pytest.mark.parametrize("request_", [FakeRequest(None), FakeRequest(None, connected=False)])
def test_without_a_certificate_there_is_no_opinion(request_: Any) -> None:
    assert peer_certificate(request_) is None
    verifier: Any = FakeVerifier(CertificateRefusal(RefusalReason.REVOKED, "x"))
    assert CertificateAuthenticator(verifier).authenticate(request_) is None


async def test_the_certificate_of_the_connection_is_judged_at_every_request(gateway_pki: Pki) -> None:
    async def fingerprint(request: web.BaseRequest) -> web.StreamResponse:
        return body_response(request, request[REQUESTOR].credential_fingerprint.encode(), "text/plain")

    async with running_chain(gateway_pki, fingerprint) as chain, chain.session("carol") as session:
        async with session.get("/api/v1/pods") as response:
            assert len(await response.read()) == 64
        gateway_pki.revoke("carol")
        async with session.get("/api/v1/pods") as response:
            assert response.status == 401
