"""Puts a write before the admission chain and turns its verdict into an answer.

What the rules look at is fetched from the write's target on demand, once per decision; the version of the object they
saw becomes the precondition under which the write is applied.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from admission.attributes import Attributes
from admission.chain import AdmissionChain
from admission.plugin import Verdict
from gateway.apimachinery.errors import ApiError, cause, forbidden, not_found
from gateway.apimachinery.meta import JsonObject, resource_version, uid
from gateway.apimachinery.patch.patch import APPLY_PATCH
from gateway.apimachinery.schema import GroupResource
from gateway.audit.record import PREFIX, AuditRecord
from gateway.handlers.ongoing_deletions import OngoingDeletions
from gateway.handlers.write_dependents import DeletedTogether
from gateway.write_request import Precondition, WriteRequest, WriteTarget

RULE = f"{PREFIX}admission-rule"
"""Audit annotation naming the rule that refused."""


_INVALID = frozenset({400, 415, 422})


class RequestLookup:
    """The ObjectLookup of one decision about one write."""

    def __init__(
        self,
        request: WriteRequest,
        target: WriteTarget,
        *,
        old: JsonObject | None = None,
        together: DeletedTogether | None = None,
    ) -> None:
        """`old` is the live object where it was listed already, `together` what is deleted along with it."""
        self._request = request
        self._target = target
        self._old = old
        self._old_known = old is not None
        self._new: JsonObject | None = None
        self._together = together or DeletedTogether(OngoingDeletions().begin())

    async def old(self) -> JsonObject | None:
        """Return the live object, read at the first call."""
        if not self._old_known:
            self._old = await self._target.read(self._request.scope, self._request.key)
            self._old_known = True
            if self._old is not None and _deletes(self._request):
                self._together.deletion.of({uid(self._old)})
        return self._old

    async def old_at(self, version: str) -> JsonObject | None:
        """Return the live object in another version; should it change meanwhile, the precondition is lost."""
        scope = self._request.scope
        other = replace(scope, info=replace(scope.info, api_version=version))
        return await self._target.read(other, self._request.key)

    async def new(self) -> JsonObject:
        """Return what the write would answer, tried at the first call."""
        if self._new is None:
            self._new = await self._target.preview(self._request)
        return self._new

    async def namespace_contents(self, namespace: str) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Ask the target."""
        return await self._target.namespace_contents(namespace)

    async def taken_along(self, owners: Collection[str]) -> Sequence[tuple[GroupResource, JsonObject]]:
        """Ask the target for what there is, and find out what of it goes."""
        obj = await self.old()
        if obj is None:
            return []
        return await self._together.along_with(self._request, self._target, obj, owners)

    async def instances(self, group: str, resource: str, version: str = "") -> Sequence[JsonObject]:
        """Ask the target."""
        return await self._target.instances(group, resource, version)

    async def definition(self, resource: GroupResource) -> JsonObject | None:
        """Ask the target."""
        return await self._target.definition(resource)

    def afresh(self, request: WriteRequest) -> RequestLookup:
        """Return the lookup for judging again: nothing of what was read is kept."""
        return RequestLookup(request, self._target, together=DeletedTogether(self._together.deletion))

    @property
    def precondition(self) -> Precondition | None:
        """The version that was judged; None when no rule asked, or when there is nothing to be overwritten."""
        if self._old is None or self._request.verb == "create":
            return None
        return Precondition(uid(self._old), resource_version(self._old))

    @property
    def missing(self) -> bool:
        """Whether the rules judged the absence of an object that the write cannot do without."""
        creates = self._request.verb == "create" or self._request.patch_type == APPLY_PATCH
        return self._old_known and self._old is None and not creates


def _deletes(request: WriteRequest) -> bool:
    return request.verb == "delete" or request.scope.info.subresource == "eviction"


def attributes_of(request: WriteRequest) -> Attributes:
    """Return a write as admission sees it."""
    info = request.scope.info
    return Attributes(
        verb=request.verb,
        resource=info.group_version_resource,
        subresource=info.subresource,
        namespace=request.key.namespace,
        name=request.name,
        user=request.scope.user,
        dry_run=request.options.dry_run,
        obj=request.obj,
        patch_type=request.patch_type,
        patch=request.patch,
        field_manager=request.options.field_manager,
        propagation_policy=request.delete.propagation_policy,
        orphan_dependents=request.delete.orphan_dependents,
    )


async def admit(chain: AdmissionChain, request: WriteRequest, lookup: RequestLookup, record: AuditRecord) -> None:
    """Have a write judged.

    Raises ApiError 403 when a rule refuses, 404 when there is no object to write to, and what the target has against
    a write that a rule refuses: whether it is valid is said before whether it may happen, as kube-apiserver does.
    """
    verdict = await chain.validate(attributes_of(request), lookup)
    for warning in verdict.warnings:
        request.scope.warn(warning)
    record.annotations.update(verdict.annotations)
    if lookup.missing:
        raise not_found(request.scope.info.group_resource, request.name)
    if not verdict.allowed:
        await _refuse_invalid(request, lookup)
        raise denial(request, verdict, record)


async def _refuse_invalid(request: WriteRequest, lookup: RequestLookup) -> None:
    if request.verb not in {"create", "update", "patch"}:
        return
    try:
        await lookup.new()
    except ApiError as error:
        if error.code in _INVALID:
            raise


def denial(request: WriteRequest, verdict: Verdict, record: AuditRecord) -> ApiError:
    """Return the 403 of a refusal: the rule as cause, what lifts it, and under which id the audit log has it."""
    record.annotate(RULE, verdict.rule)
    message = f"{verdict.message} (audit id {record.audit_id})"
    causes = [cause("", verdict.message, verdict.rule)]
    return forbidden(request.scope.info.group_resource, request.name, message, causes=causes)
