"""Makes the objects that are served: of what a member sent, or of the bytes in which one was kept. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import msgspec

from cache.cached_object import CachedObject, CellRenderer, Rows, object_key
from cache.encoded_object import MalformedObject, encode, is_utf8
from cache.naming import UNCONTESTED, Naming
from cache.observed_object import ObservedObject
from cache.resource_kind import ResourceKind
from cache.stamp import RAW_START, Stamp

_LABEL_SETS_LIMIT = 4_096
"""Objects with the same labels come together, as their names begin alike."""
_NO_LABELS: Mapping[str, str] = {}

_texts_decoder = msgspec.json.Decoder(dict[str, str])


class ObjectBuilder:
    """Makes CachedObjects of one kind. Keeps one copy of label sets that many objects share."""

    def __init__(self, kind: ResourceKind, renderer: CellRenderer | None = None) -> None:
        """Build objects of `kind`, with cells made by `renderer`."""
        self._kind = kind
        self._rows = Rows(kind, renderer) if renderer else None
        self._label_sets: dict[bytes, Mapping[str, str]] = {}

    def build(
        self, observed: ObservedObject, cluster: str, name: str, rv: int, naming: Naming = UNCONTESTED
    ) -> CachedObject:
        """Return the object as it is served under a name, with a resourceVersion of the gateway."""
        stamp = Stamp(name, observed.name, cluster, rv)
        return self._put_together(observed, stamp, observed.compose(stamp), observed.member_rv, naming)

    def rebuild(self, raw: bytes, cluster: str, original_name: str, member_rv: str) -> CachedObject:
        """Return the object of which these are the served bytes. Raises MalformedObject when they are not."""
        observed = ObservedObject(raw)
        metadata = RAW_START + encode(observed.metadata)
        metadata_end = len(metadata)
        # What was written here reads as it was written.
        complete = raw.startswith(metadata) and raw[metadata_end : metadata_end + 1] in {b",", b"}"}
        if not complete or not is_utf8(raw) or not observed.member_rv.isdecimal():
            raise MalformedObject("not an object as it is served")
        stamp = Stamp(observed.name, original_name, cluster, int(observed.member_rv))
        return self._put_together(observed, stamp, (raw, metadata_end), member_rv, UNCONTESTED)

    def _put_together(
        self, observed: ObservedObject, stamp: Stamp, served: tuple[bytes, int], member_rv: str, naming: Naming
    ) -> CachedObject:
        """Put the record together from what was read, what was written into it, and the bytes that came of both."""
        name = stamp.name
        raw, metadata_end = served
        return CachedObject(
            key=observed.key if name == observed.name else object_key(observed.namespace, name),
            namespace=observed.namespace,
            name=name,
            original_name=stamp.original_name,
            cluster=stamp.cluster,
            uid=observed.uid,
            rv=stamp.rv,
            member_rv=member_rv,
            created=observed.created,
            labels=self._labels(observed.labels_encoded()),
            fields=self._kind.read_fields(observed.sections, observed.metadata),
            body=raw,
            metadata_end=metadata_end,
            naming=naming,
            rows=self._rows,
        )

    def _labels(self, encoded: bytes) -> Mapping[str, str]:
        labels = self._label_sets.get(encoded)
        if labels is None:
            try:
                # Sets differ by one value of many: the others are the same in all of them.
                found = _texts_decoder.decode(encoded)
                labels = {sys.intern(name): sys.intern(value) for name, value in found.items()}
            except msgspec.ValidationError:
                labels = _NO_LABELS
            if len(self._label_sets) >= _LABEL_SETS_LIMIT:
                self._label_sets.clear()
            self._label_sets[encoded] = labels
        return labels
