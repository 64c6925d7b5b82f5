"""Which requests are recorded, and how fully. Pure.

A write, a connect (exec, attach, port-forward, proxy) and a refused request of a known user always are; reads only of
the resources the configuration names. Strangers who are refused are left to the access log: recording them would let
anybody push the evidence out of a log of bounded size.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.audit.config import AuditConfig
from gateway.audit.redaction import is_sensitive
from gateway.request import CONNECT_SUBRESOURCES, RequestInfo

_QUESTION_GROUPS = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
"""Their objects are created to ask something; nothing is stored."""

_REFUSED = frozenset({401, 403})


class Level(StrEnum):
    """How much of a request an event holds (audit.k8s.io)."""

    NONE = "None"
    METADATA = "Metadata"
    REQUEST = "Request"


def audit_level(info: RequestInfo | None, code: int, config: AuditConfig, *, stranger: bool = False) -> Level:
    """Return the level of a request that was answered with `code`; a stranger is somebody nobody authenticated."""
    if code in _REFUSED:
        return Level.NONE if stranger else Level.METADATA
    if info is None or not info.is_resource_request:
        return Level.NONE
    if info.subresource in CONNECT_SUBRESOURCES:
        return Level.METADATA
    if info.is_write:
        return _write_level(info, config)
    if "*" in config.recorded_reads or _resource_text(info) in config.recorded_reads:
        return Level.METADATA
    return Level.NONE


def _write_level(info: RequestInfo, config: AuditConfig) -> Level:
    if info.api_group in _QUESTION_GROUPS:
        return Level.NONE
    return Level.REQUEST if config.request_objects and not is_sensitive(info) else Level.METADATA


def _resource_text(info: RequestInfo) -> str:
    resource = str(info.group_resource)
    return f"{resource}/{info.subresource}" if info.subresource else resource
