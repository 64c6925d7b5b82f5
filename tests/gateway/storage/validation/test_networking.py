"""Rules for Ingresses; most are recorded in test_validation.py."""

from __future__ import annotations

from gateway.storage.validation.networking import validate_ingress


def test_certificates_need_no_name() -> None:
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    assert list(validate_ingress({"spec": {"defaultBackend": backend, "tls": [{}]}}, None)) == []
