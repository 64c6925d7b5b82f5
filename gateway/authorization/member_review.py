"""Asks a member whether a caller may do something there: SelfSubjectAccessReview in his name, with a short cache.

For whatever the gateway reads in a member with its own right because of a caller's request: without the question, such
a read would tell him what he may not know. Asking in his name needs no right but the impersonation there is already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from cachetools import TTLCache

from gateway.apimachinery.errors import ApiError, PathNotFound, service_unavailable
from gateway.apimachinery.meta import JsonObject
from gateway.authorization.access_review import (
    CACHE_SIZE,
    DECISION_TTL,
    REVIEW_TIMEOUT,
    decision_key,
    decision_of,
    resource_attributes,
)
from gateway.authorization.authorizer import Attributes, Decision, Outcome, denial
from gateway.request import UserInfo

_RESOURCE = "selfsubjectaccessreviews"
_PATH = f"/apis/authorization.k8s.io/v1/{_RESOURCE}"
_UNREACHABLE = frozenset({502, 503, 504})

logger = logging.getLogger("gateway.authorization")


class ReviewMember(Protocol):
    """The member that is asked (gateway/clusters/upstream.py)."""

    @property
    def title(self) -> str:
        """How messages call it."""
        ...

    async def send_json(
        self, method: str, path: str, body: JsonObject | None, *, user: UserInfo | None = None
    ) -> JsonObject:
        """Send an object in the name of a user and return the answer. Raises ApiError or PathNotFound."""
        ...


class MemberReviews:
    """What members have decided about callers, for as long as a delegating API server remembers it.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, *, now: Callable[[], float]) -> None:
        """Begin with an empty cache."""
        self._decisions: TTLCache[tuple[object, ...], Decision] = TTLCache(CACHE_SIZE, DECISION_TTL, timer=now)

    async def require(self, member: ReviewMember, attributes: Attributes) -> None:
        """Return when the member allows this.

        Raises ApiError: 403 in kube-apiserver's words when it does not, its own 403 when the gateway may not ask in the
        caller's name, 503 or 504 when it cannot be asked.
        """
        known = decision_key(attributes)
        key = (member, *known) if known is not None else None
        decision = self._decisions.get(key) if key is not None else None
        if decision is None:
            decision = await self._ask(member, attributes)
            if key is not None:
                self._decisions[key] = decision
        if not decision.allowed:
            raise denial(attributes, decision.reason)

    async def _ask(self, member: ReviewMember, attributes: Attributes) -> Decision:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": resource_attributes(attributes)},
        }
        try:
            async with asyncio.timeout(REVIEW_TIMEOUT):
                answer = await member.send_json("POST", _PATH, review, user=attributes.user)
        except TimeoutError:
            raise service_unavailable(f"{member.title} did not answer an access review in time") from None
        except (ApiError, PathNotFound) as error:
            if isinstance(error, ApiError) and error.code == 403:
                return _may_not_ask(error)
            if isinstance(error, ApiError) and error.code in _UNREACHABLE:
                raise
            logger.error("%s did not decide an access review: %s", member.title, error)
            raise service_unavailable(f"{member.title} could not be asked whether this is allowed") from None
        return decision_of(answer)


def _may_not_ask(error: ApiError) -> Decision:
    """Decide about a caller who may not even ask for his own rights. Raises the refusal of an impersonation."""
    if error.details.get("kind") != _RESOURCE:
        raise error
    return Decision(Outcome.NO_OPINION, f"the member does not answer {_RESOURCE} of this user")
