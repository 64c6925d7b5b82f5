"""Which workloads a Pod belongs to: its controller, and what that was made by, read out of the Pod alone.

A Deployment owns its Pods through a ReplicaSet, a CronJob through a Job. The upper owner is derived from the names that
controllers give (kube-controller-manager `deployment/sync.go`, `cronjob/cronjob_controllerv2.go`; Argo Rollouts), so
that what a Pod belongs to never depends on another object, and a watch by it is exact. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from cache.encoded_object import NOTHING
from gateway.apimachinery.errors import bad_request
from gateway.apimachinery.json_syntax import quote

WORKLOAD_FIELD = "fleetgate.io/workload"
"""The field that selects Pods by workload. Its value for a Pod are the names of its owners, the nearest first, each
`kind.group/name` in lower case but for the name, with spaces between."""

_CLOCK_SKEW = 10
_YEAR = 366 * 24 * 60
"""In minutes, as the names of a CronJob's Jobs have them. Read so, a date like 20260131 lies decades away."""
_SHORT_NAMES = {
    "cj": "cronjob",
    "deploy": "deployment",
    "ds": "daemonset",
    "rc": "replicationcontroller",
    "rs": "replicaset",
    "sts": "statefulset",
}
_TYPE = re.compile(r"([a-z](?:[-a-z0-9]*[a-z0-9])?)(?:\.([a-z0-9](?:[-.a-z0-9]*[a-z0-9])?))?")
_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?\.")
_SEPARATOR = re.compile(r"[/\s]")
_KNOWN_CHAINS = 4_096
"""Pods of one workload come together in lists: their chain is taken apart once."""


class _Owner(msgspec.Struct, gc=False, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class _Labels(msgspec.Struct, gc=False):
    template: str | None = msgspec.field(name="pod-template-hash", default=None)
    rollout: str | None = msgspec.field(name="rollouts-pod-template-hash", default=None)


class _Chain(NamedTuple):
    """What owner references and the hashes of templates tell."""

    text: str = ""
    scheduled: str = ""
    """The CronJob there is in the chain as well, if the Pod was created when its Job says."""
    minute: str = ""


_labels_decoder = msgspec.json.Decoder(_Labels | None)
_time_decoder = msgspec.json.Decoder(str | None)
_owners_decoder = msgspec.json.Decoder(list[_Owner] | None)
_NO_LABELS = _Labels()


def workload_chain(metadata: Mapping[str, msgspec.Raw]) -> str:
    """Return the value of WORKLOAD_FIELD of a Pod by the fields of its metadata.

    Empty where nothing controls it, or its metadata is odd.
    """
    references = metadata.get("ownerReferences")
    if references is None:
        return ""
    try:
        labels = _labels_decoder.decode(metadata.get("labels", NOTHING)) or _NO_LABELS
        chain = _chain(bytes(references), labels.template, labels.rollout)
        if chain.scheduled:
            created = _time_decoder.decode(metadata.get("creationTimestamp", NOTHING))
            if _is_schedule(chain.minute, created or ""):
                return f"{chain.text} {chain.scheduled}"
    except msgspec.ValidationError:
        return ""
    return chain.text


@lru_cache(_KNOWN_CHAINS)
def _chain(references: bytes, template: str | None, rollout: str | None) -> _Chain:
    try:
        owners = _owners_decoder.decode(references)
    except msgspec.ValidationError:
        return _Chain()
    controller = next((owner for owner in owners or () if owner.controller), None)
    if controller is None:
        return _Chain()
    group = controller.api_version.rpartition("/")[0]
    if not controller.kind or not controller.name or _SEPARATOR.search(controller.kind + group + controller.name):
        return _Chain()
    text = _written(controller.kind, group, controller.name)
    if controller.kind == "ReplicaSet" and group in {"apps", "extensions"}:
        if made_by := _before(controller.name, rollout):
            text += " " + _written("Rollout", "argoproj.io", made_by)
        elif made_by := _before(controller.name, template):
            text += " " + _written("Deployment", "apps", made_by)
    elif controller.kind == "Job" and group == "batch":
        made_by, _, minute = controller.name.rpartition("-")
        if made_by:
            return _Chain(text, _written("CronJob", "batch", made_by), minute)
    return _Chain(text)


def _written(kind: str, group: str, name: str) -> str:
    return f"{kind.lower()}.{group.lower()}/{name}" if group else f"{kind.lower()}/{name}"


def _before(name: str, template_hash: str | None) -> str:
    """What stands in a name before the hash of a Pod template; empty when it does not end in it."""
    end = f"-{template_hash}"
    return name[: -len(end)] if template_hash and name.endswith(end) else ""


def _is_schedule(minute: str, created: str) -> bool:
    """Whether digits are the minute for which a Job was due that made a Pod then or within a year."""
    if not minute.isascii() or not minute.isdecimal() or minute.startswith("0") or len(minute) > len(str(1 << 53)):
        return False
    try:
        since = datetime.fromisoformat(created).timestamp() // 60 - int(minute)
    except ValueError:
        return False
    return -_CLOCK_SKEW <= since <= _YEAR


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as a selector names it."""

    kinds: frozenset[str]
    """What its kind may be, in lower case: the singular of a resource is guessed."""
    groups: frozenset[str]
    """What its API group may be; empty for any."""
    name: str

    def owns(self, chain: str) -> bool:
        """Whether it is among the owners of a Pod; `chain` is what `workload_chain` returned."""
        for owner in chain.split():
            described, _, name = owner.partition("/")
            kind, _, group = described.partition(".")
            if name == self.name and kind in self.kinds and (not self.groups or group in self.groups):
                return True
        return False


def parse_workload(text: str) -> Workload:
    """Read RESOURCE.GROUP/NAME, with a kind in place of a resource, and without a group, or with its version.

    Raises ApiError 400 for anything else.
    """
    described, _, name = text.partition("/")
    parsed = _TYPE.fullmatch(described.lower())
    if parsed is None or not name or _SEPARATOR.search(name):
        raise bad_request(
            f"invalid field selector: {WORKLOAD_FIELD}: {quote(text)} names no workload: "
            "write RESOURCE.GROUP/NAME, such as deployments.apps/web"
        )
    resource, group = parsed[1], parsed[2] or ""
    groups = {group, _VERSION.sub("", group, count=1)} if group else ()
    return Workload(frozenset(_kinds(resource)), frozenset(groups), name)


def _kinds(resource: str) -> Iterator[str]:
    """What a resource, kind or short name may mean (the inverse of apimachinery `meta.UnsafeGuessKindToResource`)."""
    yield resource
    if resource in _SHORT_NAMES:
        yield _SHORT_NAMES[resource]
    for plural, singular in (("s", ""), ("es", ""), ("ies", "y")):
        if resource.endswith(plural):
            yield resource.removesuffix(plural) + singular


@lru_cache(_KNOWN_CHAINS)
def owner_names(chain: str) -> Sequence[str]:
    """The names of a Pod's owners, whatever their kinds: what it is looked up by."""
    return tuple([owner.partition("/")[2] for owner in chain.split()])
