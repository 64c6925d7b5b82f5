"""THE handler chain: the one list of steps, read top-down in the order a request meets them.

No read path stands outside of it: cache, discovery, watch, metrics. Admission and the audit intent/outcome pair are in
the write handler, behind the last filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce

from gateway.authentication.authenticator import RequestAuthenticator
from gateway.authorization.authorizer import Authorizer
from gateway.filters.access_log import with_access_log
from gateway.filters.audit import Recorder, with_audit
from gateway.filters.audit_id import with_audit_id
from gateway.filters.authentication import with_authentication
from gateway.filters.authorization import with_authorization
from gateway.filters.deadline import with_deadline
from gateway.filters.impersonation import with_impersonation
from gateway.filters.lifecycle import with_lifecycle
from gateway.filters.panic_recovery import with_panic_recovery
from gateway.filters.request_info import with_request_info
from gateway.filters.supervision import with_supervision
from gateway.lifecycle import Lifecycle
from gateway.metrics import Metrics
from gateway.request_keys import Filter, Handler
from gateway.supervision import Supervisor


@dataclass(frozen=True, slots=True)
class ChainParts:
    """What the filters need."""

    now: Callable[[], float]
    metrics: Metrics
    lifecycle: Lifecycle
    audit: Recorder
    authenticator: RequestAuthenticator
    authorizer: Authorizer
    supervisor: Supervisor


def handler_chain(parts: ChainParts) -> tuple[Filter, ...]:
    """Return the filters, in the order a request meets them."""
    return (
        with_audit_id(parts.now),  # outermost, so every later line and answer names the request
        with_panic_recovery(),  # nothing leaves without a Status
        with_access_log(parts.metrics),  # one line, one latency sample
        with_request_info(),  # from here on nobody looks at the raw path
        with_lifecycle(parts.lifecycle),  # not ready, or leaving: 503/429 and Retry-After
        with_audit(parts.audit),  # outside of all that refuses, so that refusals and timeouts are recorded
        with_deadline(),  # not for watch, exec, attach, port-forward, logs
        with_authentication(parts.authenticator),  # who asks
        with_impersonation(parts.authorizer),  # recorded as the caller, acting as the other
        with_authorization(parts.authorizer),  # last gate before a body is read
        with_supervision(parts.supervisor, parts.authenticator, parts.authorizer, parts.metrics),  # judged again
    )


def chain(filters: Iterable[Filter], handler: Handler) -> Handler:
    """Put the filters around a handler; the first one is met first."""
    return reduce(lambda inner, wrap: wrap(inner), reversed(tuple(filters)), handler)
