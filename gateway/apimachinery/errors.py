"""Errors of the API as values: every refusal a client sees is an ApiError, which is a Kubernetes Status.

One builder a reason, with the exact texts of k8s.io/apimachinery `api/errors`: the wire protocol clients match on.
Pure. Never put the text of a foreign error (a member's, a library's) in here without saying whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupResource

BODY_LIMIT = 3 * 1024 * 1024
"""Largest request body in bytes (kube-apiserver's MaxRequestBodyBytes)."""


class ApiError(Exception):
    """A refusal in the API's own words. `status` is the Status object a client receives, `headers` go with it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        list_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Build from an HTTP code, a machine-readable reason and a message; 410 lists also carry `list_metadata`.

        Details that are given are shown even when they are empty, as kube-apiserver does in a few answers.
        """
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self._shows_details = details is not None
        self.list_metadata: dict[str, Any] = dict(list_metadata or {})
        self.headers: dict[str, str] = dict(headers or {})
        if retry_after := self.details.get("retryAfterSeconds"):
            self.headers.setdefault("Retry-After", str(retry_after))

    @classmethod
    def from_status(cls, status: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> ApiError:
        """Rebuild the error from a decoded Status object of another API server."""
        details = status.get("details")
        return cls(
            int(status.get("code") or 500),
            str(status.get("reason") or ""),
            str(status.get("message") or ""),
            details=details if isinstance(details, dict) else None,
            headers=headers,
        )

    @property
    def status(self) -> JsonObject:
        """The Status object, field order as kube-apiserver writes it."""
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self._shows_details:
            status["details"] = self.details
        status["code"] = self.code
        return status

    def __repr__(self) -> str:
        """Show the code and reason, the two things tests and logs compare."""
        return f"ApiError({self.code} {self.reason}: {self.message})"


def _object_details(resource: GroupResource, name: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    if resource.resource:
        details["kind"] = resource.resource
    details.update(more)
    return details


def cause(field: str, message: str, reason: str = "") -> dict[str, str]:
    """One entry of `details.causes`; empty parts are left out."""
    entry = {"reason": reason, "message": message, "field": field}
    return {name: value for name, value in entry.items() if value}


def bad_request(message: str) -> ApiError:
    """400 BadRequest."""
    return ApiError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    """401 Unauthorized."""
    return ApiError(401, "Unauthorized", message)


def forbidden(
    resource: GroupResource, name: str, message: str, *, causes: Sequence[Mapping[str, str]] = ()
) -> ApiError:
    """403 Forbidden about an object: `pods "x" is forbidden: message` (the name is left out when there is none)."""
    if not resource.resource:
        text = f"forbidden: {message}"
    elif name:
        text = f'{resource} "{name}" is forbidden: {message}'
    else:
        text = f"{resource} is forbidden: {message}"
    more: dict[str, Any] = {"causes": list(causes)} if causes else {}
    error = ApiError(403, "Forbidden", text, details=_object_details(resource, name, **more))
    error.headers["X-Content-Type-Options"] = "nosniff"
    return error


def not_found(resource: GroupResource, name: str) -> ApiError:
    """404 NotFound of an object: `deployments.apps "x" not found`."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', details=_object_details(resource, name))


def method_not_supported(resource: GroupResource, action: str) -> ApiError:
    """405 MethodNotAllowed: `patch is not supported on resources of kind "pods"`."""
    message = f'{action} is not supported on resources of kind "{resource}"'
    return ApiError(405, "MethodNotAllowed", message, details=_object_details(resource, ""))


def method_not_allowed() -> ApiError:
    """405 MethodNotAllowed as the router of kube-apiserver says it."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def not_acceptable(accepted: Sequence[str]) -> ApiError:
    """406 NotAcceptable naming the media types that are served."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return ApiError(406, "NotAcceptable", message)


def already_exists(resource: GroupResource, name: str) -> ApiError:
    """409 AlreadyExists: `pods "x" already exists`."""
    return ApiError(
        409, "AlreadyExists", f'{resource} "{name}" already exists', details=_object_details(resource, name)
    )


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
"""What kube-apiserver says on an optimistic-lock conflict."""


def conflict(resource: GroupResource, name: str, message: str = OBJECT_MODIFIED) -> ApiError:
    """409 Conflict: `Operation cannot be fulfilled on pods "x": message`."""
    text = f'Operation cannot be fulfilled on {resource} "{name}": {message}'
    return ApiError(409, "Conflict", text, details=_object_details(resource, name))


def apply_conflict(message: str, causes: Sequence[Mapping[str, str]]) -> ApiError:
    """409 Conflict of server-side apply: causes are of type FieldManagerConflict."""
    return ApiError(409, "Conflict", message, details={"causes": list(causes)})


def expired(message: str) -> ApiError:
    """410 Expired: a resourceVersion or continue token that is too old."""
    return ApiError(410, "Expired", message)


def too_old_resource_version(requested: int | str, current: int | str) -> ApiError:
    """410 Expired in the byte-exact text that some clients parse."""
    return expired(f"too old resource version: {requested} ({current})")


def request_entity_too_large(limit: int = BODY_LIMIT) -> ApiError:
    """413 RequestEntityTooLarge naming the limit in bytes."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415 UnsupportedMediaType naming the media types that are understood."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(group: str, kind: str, name: str, causes: Sequence[Mapping[str, str]]) -> ApiError:
    """422 Invalid: `Deployment.apps "x" is invalid: …`. Each cause is made by `field_error` (reason, message, field).

    The message joins `field: message` of the causes: one bare, several as `[a, b]`.
    """
    qualified = f"{kind}.{group}" if group else kind
    texts = [f"{entry['field']}: {entry['message']}" if entry.get("field") else entry["message"] for entry in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind, "causes": list(causes)}
    message = f'{qualified} "{name}" is invalid: {joined}' if texts else f'{qualified} "{name}" is invalid'
    return ApiError(422, "Invalid", message, details={key: value for key, value in details.items() if value})


def field_error(reason: str, field: str, message: str) -> dict[str, str]:
    """One cause of a 422: reason is FieldValueInvalid, FieldValueRequired, FieldValueForbidden and so on.

    `message` is the text after the field, for example `Invalid value: -1: must be greater than or equal to 0`.
    """
    return {"reason": reason, "message": message, "field": field}


def internal_error(message: str) -> ApiError:
    """500 InternalError: `Internal error occurred: message`."""
    return ApiError(
        500, "InternalError", f"Internal error occurred: {message}", details={"causes": [{"message": message}]}
    )


def service_unavailable(message: str, *, retry_after_seconds: int = 0) -> ApiError:
    """503 ServiceUnavailable, with a Retry-After when one is given (clients retry only then)."""
    details = {"retryAfterSeconds": retry_after_seconds} if retry_after_seconds else None
    return ApiError(503, "ServiceUnavailable", message, details=details)


def gateway_timeout(message: str) -> ApiError:
    """504 Timeout: `Timeout: message`."""
    return ApiError(504, "Timeout", f"Timeout: {message}", details={})


def too_large_resource_version(requested: int | str, current: int | str, *, retry_after_seconds: int = 1) -> ApiError:
    """504 for a resourceVersion that lies in the future (k8s.io/apiserver `storage/errors.go`)."""
    return ApiError(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {requested}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": retry_after_seconds,
        },
    )


class PathNotFound(Exception):
    """A path that nothing is served under: 404 `404 page not found` as text/plain, the form client-go rewrites."""
