"""Asks a remote store whether a caller may do something: SubjectAccessReview, with a short cache.

The store's own authorizers (RBAC, Node, webhooks, CEL) stay the source of truth. An error is never an allow, and is not
remembered. Follows k8s.io/apiserver `plugin/pkg/authorizer/webhook` in what is cached.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from gateway.apimachinery.errors import ApiError, PathNotFound, service_unavailable
from gateway.apimachinery.meta import JsonObject, field
from gateway.authorization.authorizer import Attributes, Decision, Outcome

DECISION_TTL = 10.0
"""Seconds a decision is reused, a refusal too: what delegating API servers use."""

CACHE_SIZE = 8192
LONGEST_CACHED = 10_000
"""Characters of caller-controlled attributes above which a decision is not kept, so that nobody can fill memory."""

COMPLAINT_PERIOD = 5.0
"""Seconds from one log line about the store to the next: while it is away it decides about no request at all."""

REVIEW_TIMEOUT = 10.0
_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

logger = logging.getLogger("gateway.authorization")


class ReviewStore(Protocol):
    """What is asked: the remote store, with the gateway's own identity (gateway/clusters/upstream.py)."""

    async def send_json(self, method: str, path: str, body: JsonObject | None) -> JsonObject:
        """Send an object and return the answer. Raises ApiError."""
        ...


def review_of(attributes: Attributes) -> JsonObject:
    """Return the SubjectAccessReview for one request. Pure."""
    user = attributes.user
    spec: JsonObject = {"user": user.name, "groups": list(user.groups)}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if attributes.is_resource_request:
        spec["resourceAttributes"] = resource_attributes(attributes)
    else:
        spec["nonResourceAttributes"] = {"path": attributes.path, "verb": attributes.verb}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def resource_attributes(attributes: Attributes) -> JsonObject:
    """Return the resourceAttributes of a review, of whichever kind. Pure."""
    fields = {
        "namespace": attributes.namespace,
        "verb": attributes.verb,
        "group": attributes.api_group,
        "version": attributes.api_version,
        "resource": attributes.resource,
        "subresource": attributes.subresource,
        "name": attributes.name,
    }
    result: JsonObject = {name: value for name, value in fields.items() if value}
    if attributes.field_selector:
        result["fieldSelector"] = {"rawSelector": attributes.field_selector}
    if attributes.label_selector:
        result["labelSelector"] = {"rawSelector": attributes.label_selector}
    return result


def decision_of(answer: JsonObject) -> Decision:
    """Read the answer; anything but a clear `allowed: true` refuses. Pure."""
    reason = field(answer, "status", "reason")
    text = reason if isinstance(reason, str) else ""
    if field(answer, "status", "allowed") is True:
        return Decision(Outcome.ALLOW, text)
    denied = field(answer, "status", "denied") is True
    return Decision(Outcome.DENY if denied else Outcome.NO_OPINION, text)


def decision_key(attributes: Attributes) -> tuple[object, ...] | None:
    """Return what a decision may be remembered under, None where it is too large to be. Pure."""
    user = attributes.user
    parts = (
        attributes.verb, attributes.is_resource_request, attributes.api_group, attributes.api_version,
        attributes.namespace, attributes.resource, attributes.subresource, attributes.name, attributes.path,
        attributes.field_selector, attributes.label_selector,
    )  # fmt: skip
    extra = tuple(sorted((key, values) for key, values in user.extra.items()))
    key = (user.name, user.uid, user.groups, extra, *parts)
    size = sum(len(part) for part in parts if isinstance(part, str)) + len(user.name)
    return key if size <= LONGEST_CACHED else None


class AccessReviewAuthorizer:
    """Decides by asking the store.

    Args:
        store: the remote store.
        now: monotonic seconds.
    """

    def __init__(self, store: ReviewStore, *, now: Callable[[], float]) -> None:
        """Begin with an empty cache."""
        self._store = store
        self._now = now
        self._quiet_until = float("-inf")
        self._unlogged = 0
        self._decisions: TTLCache[tuple[object, ...], Decision] = TTLCache(CACHE_SIZE, DECISION_TTL, timer=now)

    async def authorize(self, attributes: Attributes) -> Decision:
        """Return the decision for one request. Raises ApiError when the store cannot be asked."""
        key = decision_key(attributes)
        if key is not None and (known := self._decisions.get(key)) is not None:
            return known
        decision = await self._ask(attributes)
        if key is not None:
            self._decisions[key] = decision
        return decision

    async def _ask(self, attributes: Attributes) -> Decision:
        try:
            async with asyncio.timeout(REVIEW_TIMEOUT):
                answer = await self._store.send_json("POST", _PATH, review_of(attributes))
        except TimeoutError:
            raise service_unavailable("the federation store did not answer an access review in time") from None
        except (ApiError, PathNotFound) as error:
            # Whatever it is (the store is away, or does not let the gateway ask), it is no decision about the caller.
            self._complain(error)
            raise service_unavailable("the federation store could not be asked whether this is allowed") from None
        return decision_of(answer)

    def _complain(self, error: Exception) -> None:
        if self._now() < self._quiet_until:
            self._unlogged += 1
            return
        more = f" (and {self._unlogged} more since this was last logged)" if self._unlogged else ""
        logger.error("the federation store did not decide an access review: %s%s", error, more)
        self._quiet_until, self._unlogged = self._now() + COMPLAINT_PERIOD, 0
