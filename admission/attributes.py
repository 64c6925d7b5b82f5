"""What admission is asked about: one write, as decoded before anything is read or changed.

The admission attributes of k8s.io/apiserver `admission.Attributes`, without the objects that must be fetched: those a
plugin pulls through admission/lookup.py. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.apimachinery.meta import JsonObject
from gateway.apimachinery.schema import GroupVersionResource
from gateway.request import UserInfo


class Attributes(msgspec.Struct, frozen=True):
    """One write. `obj` is the decoded body of a create or update, `patch` the decoded patch of `patch_type`.

    A deletecollection is judged as one delete for each object it matches. `field_manager` says on whose behalf a
    server-side apply owns fields. `propagation_policy` and `orphan_dependents` are those of a delete, "" and None when
    it says nothing.
    """

    verb: str
    resource: GroupVersionResource
    subresource: str
    namespace: str
    name: str
    user: UserInfo
    dry_run: bool = False
    obj: JsonObject | None = None
    patch_type: str = ""
    patch: list[Any] | JsonObject | None = None
    field_manager: str = ""
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
