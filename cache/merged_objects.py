"""The present state of one merged resource: whose objects there are, the names they are served under, and the indexes.

Nothing is decided here, neither names nor versions, and nothing is told: what becomes of a member's news is
`watch_cache`'s. An object *belongs* to its member under its own name from `enrol` to `strike`, and *stands* under the
name it is served by from `serve` to `withdraw`. Pure. One writer; readers get references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Iterator, Sequence
from itertools import chain

from cache.cached_object import CachedObject, object_key
from cache.cold_objects import ColdObjects
from cache.found_lists import FoundLists
from cache.indexed_fields import FieldIndex
from cache.label_index import LabelIndex, Labels
from cache.merge import original_names, precedence
from cache.naming import seen_name
from cache.ordered_objects import OrderedObjects
from cache.resource_kind import ResourceKind
from cache.selection import Selection, anchors

_MANY = 2_000
"""So many objects are looked at one by one about as fast as they are found by an index."""
_FEW = 16_384
"""So many keys are sorted at once: about 10 ms."""

_NOBODY: tuple[CachedObject, ...] = ()


class MergedObjects:
    """The merged objects of all members for one kind, as they are now."""

    def __init__(self, kind: ResourceKind) -> None:
        """Begin with none."""
        self.ordered = OrderedObjects()
        """All that are served, by served key."""
        # Groups hold the objects that share an original key, by precedence; the first is served under that key.
        self._groups: dict[str, tuple[CachedObject, ...]] = {}
        self._qualified: dict[str, CachedObject] = {}  # by served key, where that is not the original key
        self._index = FieldIndex(kind.indexed_fields, kind.field_names)  # of served keys
        self._labels = LabelIndex()  # of served keys
        # cluster -> original keys, in an order that does not differ from run to run
        self._keys: dict[str, dict[str, None]] = {}
        self.found = FoundLists()
        """What was selected lately, where it is served to all alike."""
        self._changes = 0

    def __len__(self) -> int:
        return len(self.ordered)

    # What there is

    def of_member(self, cluster: str, original_key: str) -> CachedObject | None:
        """A member's object by its own name."""
        for obj in self._groups.get(original_key, _NOBODY):
            if obj.cluster == cluster:
                return obj
        return None

    def group(self, original_key: str) -> tuple[CachedObject, ...]:
        """The objects that share an original key, by precedence."""
        return self._groups.get(original_key, _NOBODY)

    def contested(self) -> Iterator[tuple[CachedObject, ...]]:
        """The groups of more than one, as they are when their turn comes."""
        for key in [key for key, group in self._groups.items() if len(group) > 1]:
            yield self._groups[key]

    def users(self, namespace: str, name: str) -> Sequence[str]:
        """The members that have an object of that very name."""
        return [obj.cluster for obj in self._groups.get(object_key(namespace, name), _NOBODY)]

    def keys_of(self, cluster: str) -> Sequence[str]:
        """The original keys of a member's objects."""
        return tuple(self._keys.get(cluster, ()))

    def count_of(self, cluster: str) -> int:
        """How many objects a member has."""
        return len(self._keys.get(cluster, ()))

    def served(self, key: str) -> CachedObject | None:
        """The object served under a key."""
        if obj := self._qualified.get(key):
            return obj
        group = self._groups.get(key)
        return group[0] if group else None

    def qualified(self) -> Collection[CachedObject]:
        """The objects that are not served under their own names. Not while anything changes."""
        return self._qualified.values()

    def everything(self) -> Sequence[CachedObject]:
        """All objects in key order: a snapshot."""
        return self.ordered.between("", "\U0010ffff")

    def cold_objects(self) -> ColdObjects:
        """What compresses the objects that are not in use."""
        return ColdObjects(self.ordered)

    def owners(
        self, namespace: str, name: str, visible: Callable[[str], bool] = lambda _: True
    ) -> Sequence[CachedObject]:
        """Who of the visible answers to a name, the one served under it first; more than one: it is ambiguous.

        A name that some member really uses means those objects. Otherwise it is read as a qualified one, whether or
        not the object needs it at present.
        """
        key = object_key(namespace, name)
        if group := tuple(obj for obj in self._groups.get(key, _NOBODY) if visible(obj.cluster)):
            return group
        qualified = self._qualified.get(key)
        if qualified and visible(qualified.cluster) and seen_name(qualified, visible) == name:
            return (qualified,)
        for original in original_names(name):
            for obj in self._groups.get(object_key(namespace, original), _NOBODY):
                if visible(obj.cluster) and name == f"{original}.{obj.cluster or obj.uid}":
                    return (obj,)
        return ()

    # What is selected

    def candidates(self, selection: Selection) -> Sequence[CachedObject]:
        """All objects among which a selection finds its own, in key order: a snapshot."""
        few = self.few_candidates(selection)
        return self.ordered.between(*selection.range) if few is None else few

    def few_candidates(self, selection: Selection) -> list[CachedObject] | None:
        """The same where an index finds them, None where all objects of its range would have to be looked at."""
        if selection.single_key:
            obj = self.served(selection.single_key)
            return [obj] if obj else []
        keys = self._indexed(selection)
        if keys is None:
            return None
        start, end = selection.range
        return [obj for obj in map(self.served, sorted(key for key in keys if start < key <= end)) if obj]

    def _indexed(self, selection: Selection) -> Iterable[str] | None:
        by_field = self._index.find(selection.indexed) if selection.indexed else None
        by_label = self._labels.find(selection.labelled)
        if by_label is None:
            return by_field
        count = sum(map(len, by_label))
        if by_field is not None and len(by_field) <= count:
            return by_field
        few = count <= _FEW and 4 * count <= self.ordered.count(*selection.range)
        return chain.from_iterable(by_label) if few else by_field

    def index_labels(self, selection: Selection) -> Generator[None]:
        """Have `few_candidates` find what is selected by labels, where there are many objects.

        Lets go of control after every few of them; to be closed when it is not run to its end.
        """
        if selection.labelled and self.ordered.count(*selection.range) > _MANY:
            yield from self._labels.learn(selection.labelled, self._labels_now())

    def _labels_now(self) -> Iterator[tuple[str, Labels | None]]:
        begun = self._changes
        for obj in self.everything():
            now = obj if self._changes == begun else self.served(obj.key)
            yield obj.key, now.labels if now else None

    def anchors(self, obj: CachedObject) -> Iterable[Hashable]:
        """The anchors of all selections that may find an object."""
        return anchors(obj, self._index.terms(obj.fields))

    # What changes

    def place(self, obj: CachedObject) -> None:
        """Take an object whose name is known."""
        self.enrol(obj)
        if obj.name != obj.original_name:
            self._qualified[obj.key] = obj
        self.serve(obj)

    def place_new(self, cluster: str, objects: Sequence[CachedObject]) -> None:
        """Take new objects of one member, under their own names, of which there are no others."""
        self._changes += 1
        keys = [obj.key for obj in objects]
        self._groups.update(zip(keys, zip(objects), strict=True))  # each a group of one
        self._keys.setdefault(cluster, {}).update(dict.fromkeys(keys))
        self.ordered.put_all(objects)
        for key, obj in zip(keys, objects, strict=True):
            self._index.add(key, obj.fields)
            self._labels.add(key, obj.labels)
            self._forget_lists(obj)

    def enrol(self, obj: CachedObject) -> None:
        """Take an object as its member's; it is not served yet."""
        key = obj.original_key
        self._keys.setdefault(obj.cluster, {})[key] = None
        group = self._groups.get(key)
        self._groups[key] = tuple(sorted((*group, obj), key=precedence)) if group else (obj,)

    def strike(self, obj: CachedObject) -> None:
        """Forget an object as its member's; it still stands under its name."""
        key = obj.original_key
        group = tuple(other for other in self._groups[key] if other is not obj)
        if group:
            self._groups[key] = group
        else:
            del self._groups[key]
        self._keys[obj.cluster].pop(key, None)

    def serve(self, obj: CachedObject) -> None:
        """Serve an object under its name."""
        self._changes += 1
        self._forget_lists(obj)
        self.ordered.put(obj)
        self._index.add(obj.key, obj.fields)
        self._labels.add(obj.key, obj.labels)

    def withdraw(self, obj: CachedObject) -> None:
        """Stop serving an object under its name."""
        self._changes += 1
        self._forget_lists(obj)
        self.ordered.remove(obj.key)
        self._qualified.pop(obj.key, None)
        self._index.remove(obj.key, obj.fields)
        self._labels.remove(obj.key, obj.labels)

    def replace(self, known: CachedObject, obj: CachedObject) -> None:
        """Put an object's new state in the place of the one that is served under the same name."""
        self._changes += 1
        self.exchange(known, obj)
        self._index.replace(obj.key, obj.fields, known.fields)
        self._labels.replace(obj.key, obj.labels, known.labels)
        self.ordered.put(obj)

    def exchange(self, known: CachedObject, obj: CachedObject) -> None:
        """Put an object's new state into its group, whatever its name is now."""
        self._forget_lists(known)
        self._forget_lists(obj)
        key = obj.original_key
        self._groups[key] = tuple(obj if other is known else other for other in self._groups[key])
        if obj.name != obj.original_name:
            self._qualified[obj.key] = obj

    def _forget_lists(self, obj: CachedObject) -> None:
        if self.found:
            self.found.forget((*self._index.terms(obj.fields), *obj.labels.items()))
