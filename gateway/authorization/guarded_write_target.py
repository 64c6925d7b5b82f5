"""The embedded store's write target, through which nobody grants what he does not hold.

Looks at roles and bindings only; all other writes are the store's own. What was judged is what is written: the version
looked at becomes a precondition.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.apimachinery.meta import resource_version, uid
from gateway.authorization.escalation import BINDINGS, GROUP, ROLES, RbacWrite, check_escalation
from gateway.authorization.rbac import Policy
from gateway.storage.registry import Registry
from gateway.storage.write_target import EmbeddedWriteTarget
from gateway.write_request import Precondition, PreconditionLost, WriteRequest, WriteResult

_GRANTING = frozenset({"create", "update", "patch"})


class GuardedWriteTarget(EmbeddedWriteTarget):
    """Writes to one embedded registry, as far as RBAC lets its rules be changed.

    Args:
        registry: where writes go.
        policy: returns the RBAC policy as it is now.
    """

    def __init__(self, registry: Registry, policy: Callable[[], Policy]) -> None:
        """Keep the parts."""
        super().__init__(registry)
        self._policy = policy

    async def apply(self, request: WriteRequest, precondition: Precondition | None) -> WriteResult:
        """Judge, then write. Raises ApiError, 403 for an escalation, and PreconditionLost."""
        if _grants(request):
            precondition = await self._judge(request, precondition)
        return await super().apply(request, precondition)

    async def _judge(self, request: WriteRequest, precondition: Precondition | None) -> Precondition | None:
        """Return the precondition under which the judgement holds. Raises ApiError 403."""
        old = None if request.verb == "create" else await self.read(request.scope, request.key)
        judged = Precondition(uid(old), resource_version(old)) if old is not None else None
        if precondition is not None and precondition != judged:
            raise PreconditionLost
        new = await self.preview(request) if request.verb == "patch" else request.obj or {}
        info = request.scope.info
        write = RbacWrite(request.scope.user, info.resource, info.namespace, request.name, new, old)
        check_escalation(self._policy(), write)
        return judged


def _grants(request: WriteRequest) -> bool:
    info = request.scope.info
    return info.api_group == GROUP and info.resource in ROLES | BINDINGS and request.verb in _GRANTING
