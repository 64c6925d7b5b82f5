"""Records and readings for audit tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.audit.record import AuditRecord
from gateway.request import RequestInfo, UserInfo, parse_request_info

NOW = 1_700_000_000.0
ALICE = UserInfo("alice", "u-1", ("dev",), {"authentication.kubernetes.io/credential-id": ("X509SHA256=ab",)})
DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"


def info(method: str = "PATCH", path: str = DEPLOYMENT) -> RequestInfo:
    return parse_request_info(method, path, {})


def record(audit_id: str = "id-1", method: str = "PATCH", path: str = DEPLOYMENT, **fields: Any) -> AuditRecord:
    return AuditRecord(
        audit_id,
        NOW,
        request_uri=fields.pop("request_uri", path),
        source_ips=("192.0.2.1",),
        user_agent=fields.pop("user_agent", "kubectl/v1.36"),
        info=info(method, path),
        user=fields.pop("user", ALICE),
        **fields,
    )


def events(folder: Path) -> list[dict[str, Any]]:
    """Every event of the current file; fails on a line that is none."""
    return [json.loads(line) for line in (folder / "audit.log").read_bytes().splitlines()]


def told(folder: Path, audit_id: str) -> list[dict[str, Any]]:
    return [event for event in events(folder) if event["auditID"] == audit_id]
