"""Events in their two forms: core/v1 and events.k8s.io/v1 are one object with different field names.

Follows Kubernetes `pkg/apis/events/v1/conversion.go`. Pure; values stay encoded, only names change.
"""

from __future__ import annotations

import msgspec

_NAME_IN_EVENTS_GROUP = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_NAME_IN_CORE = {theirs: ours for ours, theirs in _NAME_IN_EVENTS_GROUP.items()}
_OMITTED_WHEN_EMPTY = {"reportingController", "reportingInstance"}

_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder = msgspec.json.Encoder()


def _renamed(raw: bytes, names: dict[str, str]) -> dict[str, msgspec.Raw]:
    return {names.get(name, name): value for name, value in _decoder.decode(raw).items()}


def to_events_group(raw: bytes) -> bytes:
    """Turn a core/v1 Event (without kind and apiVersion) into the events.k8s.io/v1 form."""
    fields = _renamed(raw, _NAME_IN_EVENTS_GROUP)
    for name in _OMITTED_WHEN_EMPTY:
        if bytes(fields.get(name, b"")) == b'""':
            del fields[name]
    return _encoder.encode(fields)


def to_core(raw: bytes) -> bytes:
    """Turn an events.k8s.io/v1 Event into the core/v1 form."""
    return _encoder.encode(_renamed(raw, _NAME_IN_CORE))
