"""Sends writes through the real path: decoding, admission, audit log on disk; only the target is in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from admission.chain import AdmissionChain
from admission.config import AdmissionConfig
from admission.plugins.order import build_plugins
from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionKind
from gateway.audit.config import AuditConfig
from gateway.audit.log import AuditLog
from gateway.audit.record import AuditRecord
from gateway.handlers.write import WriteHandler
from gateway.handlers.write_decoding import decode_write
from gateway.request import UserInfo, parse_request_info
from gateway.request_scope import RequestScope
from gateway.write_request import WriteResult, WriteTarget
from tests.admission.scripted_rights import ScriptedRights
from tests.support.clock import FakeClock

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
POD = GroupVersionKind("", "v1", "Pod")
CLONE_SET = GroupVersionKind("apps.kruise.io", "v1alpha1", "CloneSet")
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
WEB = f"{DEPLOYMENTS}/web"
CLONE_SETS = "/apis/apps.kruise.io/v1alpha1/namespaces/shop/clonesets"
PODS = "/api/v1/namespaces/shop/pods"
ALICE = UserInfo("alice", groups=("dev",))


def scope(method: str, path: str, *, audit_id: str = "id-1", **fields: Any) -> RequestScope:
    query = fields.pop("query", {})
    return RequestScope(
        parse_request_info(method, path, query),
        ALICE,
        ALICE,
        audit_id,
        query=query,
        user_agent="kubectl/v1.36 (linux)",
        **fields,
    )


def workload(replicas: int | None = 10, name: str = "web", kind: str = "Deployment", **metadata: Any) -> JsonObject:
    return {
        "apiVersion": "apps/v1" if kind == "Deployment" else "apps.kruise.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {} if replicas is None else {"replicas": replicas},
    }


def pod(name: str, **metadata: Any) -> JsonObject:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", **metadata}}


class Gateway:
    """The write path with a log in a folder. Each request gets its own record, as the filters would make it."""

    def __init__(self, folder: Path, audit: AuditLog, config: AdmissionConfig) -> None:
        self._folder = folder
        self._names = iter(f"{number:05}" for number in range(100_000))
        self.audit = audit
        self.handler = WriteHandler(
            AdmissionChain(build_plugins(config, ScriptedRights())),
            audit,
            name_generator=lambda prefix: prefix + next(self._names),
        )
        self.record = AuditRecord("", 0.0)

    @classmethod
    async def start(cls, folder: Path, config: AdmissionConfig | None = None) -> Gateway:
        audit = await AuditLog.open(folder, AuditConfig(), now=FakeClock())

        async def unread(intent: object) -> None:
            return None

        await audit.recover(unread)
        return cls(folder, audit, config or AdmissionConfig())

    async def stop(self) -> None:
        await self.handler.drain()
        await self.audit.close()

    async def send(
        self, target: WriteTarget, method: str, path: str, body: Any = None, *, content_type: str = "", **fields: Any
    ) -> WriteResult:
        """Send a request as the filters and dispatch would. Raises the ApiError the client would get."""
        asked = scope(method, path, content_type=content_type, **fields)
        self.record = AuditRecord(
            asked.audit_id, 1_700_000_000.0, request_uri=path, info=asked.info, user=asked.user, user_agent="kubectl"
        )
        encoded = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            result = await self.handler.serve(decode_write(asked, encoded), self.record, target)
        except ApiError as error:
            self.record.code, self.record.reason, self.record.message = error.code, error.reason, error.message
            await self.audit.complete(self.record)
            raise
        self.record.code = result.code
        await self.audit.complete(self.record)
        return result

    def events(self, audit_id: str = "") -> list[dict[str, Any]]:
        """What the log holds, without what it says about itself."""
        lines = (self._folder / "audit.log").read_bytes().splitlines()
        found = [json.loads(line) for line in lines]
        return [event for event in found if event["verb"] and (not audit_id or event["auditID"] == audit_id)]
