"""What one list or watch wants of a merged resource: namespace, label selector, field selector.

Selections are compiled once and shared by all watchers that ask for the same, together with their verdicts on recent
events. Pure. Which members a caller may see is not part of a selection: that is asked per caller.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from cache.cached_object import CLUSTER_LABEL, CachedObject, object_key
from cache.indexed_fields import Term
from cache.resource_kind import ResourceKind
from cache.watch_event import ADDED, DELETED, MODIFIED, CacheEvent, CoalescedEvent, WatchEvent
from gateway.apimachinery.field_selectors import FieldRequirement, FieldSelector
from gateway.apimachinery.label_selectors import LabelRequirement, LabelSelector

_VERDICTS_LIMIT = 4_096
_LASTING_FIELDS = {"metadata.name", "metadata.namespace"}
_Test = Callable[[CachedObject], bool]
_Narrow = Callable[[Sequence[CachedObject]], Sequence[CachedObject]]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. The field selector is translated to the fields of the kind."""

    namespace: str
    labels: LabelSelector
    fields: FieldSelector


def _label_test(requirement: LabelRequirement) -> _Test:
    key, value = requirement.key, requirement.values[0] if requirement.values else ""
    if key == CLUSTER_LABEL:
        return lambda obj: requirement.matches({CLUSTER_LABEL: obj.cluster} if obj.cluster else {})
    if requirement.operator in {"=", "=="}:
        return lambda obj: obj.labels.get(key) == value
    return lambda obj: requirement.matches(obj.labels)


def _label_narrowing(requirement: LabelRequirement) -> _Narrow:
    """Return what asks many objects at once: the usual selector without a call for each of them."""
    key, value = requirement.key, requirement.values[0] if requirement.values else ""
    if key != CLUSTER_LABEL and requirement.operator in {"=", "=="}:
        return lambda objects: [obj for obj in objects if obj.labels.get(key) == value]
    return _narrowing(_label_test(requirement))


def _narrowing(test: _Test) -> _Narrow:
    return lambda objects: list(filter(test, objects))


def _field_test(requirement: FieldRequirement, kind: ResourceKind) -> _Test:
    wanted, value = requirement.operator == "=", requirement.value
    match requirement.field:
        case "metadata.name":
            return lambda obj: (obj.name == value) == wanted
        case "metadata.namespace":
            return lambda obj: (obj.namespace == value) == wanted
        case name if name in kind.field_names:
            position = kind.field_names.index(name)
            if indexed := next((field for field in kind.indexed_fields if field.name == name), None):
                matches = indexed.wanted(value).matches
                return lambda obj: matches(obj.fields[position]) == wanted
            return lambda obj: (obj.fields[position] == value) == wanted
        case _:
            # A label Kubernetes accepts without storing a value for it.
            return lambda obj: (value == "") == wanted


def _terms(fields: FieldSelector, kind: ResourceKind) -> Iterator[Term]:
    for field in kind.indexed_fields:
        for requirement in fields.requirements:
            if requirement.field == field.name and requirement.operator == "=":
                key = field.wanted(requirement.value).key
                if key:
                    yield field.name, key


class Selection:
    """A compiled query."""

    def __init__(self, query: Query, kind: ResourceKind) -> None:
        """Compile `query` for objects of `kind`. Raises ApiError 400 for a value that a field never has."""
        self.query = query
        self.name = query.fields.exact("metadata.name") or ""
        """The only name that can be selected."""
        self.only_name = self.name if len(query.fields.requirements) == 1 else ""
        """The same where nothing else is said of fields, as kubectl asks for one object."""
        namespace = query.fields.exact("metadata.namespace")
        self._contradictory = bool(query.namespace and namespace is not None and namespace != query.namespace)
        self.namespace = query.namespace or namespace or ""
        self.single_key = object_key(self.namespace, self.name) if self.name and self.namespace else ""
        """The only key that can be selected, when the query names one object."""
        self.indexed = tuple(_terms(query.fields, kind))
        """Where the kind's indexed fields have what is selected: under each of these."""
        self.labelled = tuple(
            (requirement.key, tuple(dict.fromkeys(requirement.values)))
            for requirement in query.labels.requirements
            if requirement.operator in {"=", "==", "in"} and requirement.key != CLUSTER_LABEL
        )
        """Labels that all that is selected bears, each with the values that it may have."""
        self.unrestricted = query.labels.empty and query.fields.empty
        """Whether neither labels nor fields matter."""
        self._tests = [_label_test(requirement) for requirement in query.labels.requirements]
        field_tests = [_field_test(requirement, kind) for requirement in query.fields.requirements]
        self._tests += field_tests
        self._narrowings = [_label_narrowing(requirement) for requirement in query.labels.requirements]
        self._narrowings += map(_narrowing, field_tests)
        self._lasting_tests = [
            _field_test(requirement, kind)
            for requirement in query.fields.requirements
            if requirement.field in _LASTING_FIELDS
        ]
        self._verdicts: dict[int, WatchEvent | None] = {}

    @property
    def anchor(self) -> Hashable | None:
        """What all that is selected has in common, see `anchors`; None where it is nothing that can be looked up."""
        if self.single_key or self.indexed:
            return self.single_key or self.indexed[0]
        label = next(((key, values[0]) for key, values in self.labelled if len(values) == 1), None)
        return label or self.namespace or None

    @property
    def range(self) -> tuple[str, str]:
        """The keys between which everything selected lies: after the first, up to the second."""
        if self._contradictory:
            return ("", "")
        if self.single_key:
            return (self.single_key[:-1], self.single_key)
        return self.namespace_range

    @property
    def namespace_range(self) -> tuple[str, str]:
        """The keys between which everything of the namespace lies."""
        if self._contradictory:
            return ("", "")
        # "0" follows "/" in ASCII, so this ends after every key of the namespace.
        return (f"{self.namespace}/", f"{self.namespace}0") if self.namespace else ("", "\U0010ffff")

    def matches(self, obj: CachedObject) -> bool:
        """Whether an object is selected."""
        if self.query.namespace and obj.namespace != self.query.namespace:
            return False
        for test in self._tests:  # noqa: SIM110  (a generator would cost more than the tests)
            if not test(obj):
                return False
        return True

    def select(self, objects: Sequence[CachedObject]) -> Sequence[CachedObject]:
        """Return those of many objects that are selected, in their order."""
        if namespace := self.query.namespace:
            objects = [obj for obj in objects if obj.namespace == namespace]
        for narrow in self._narrowings:
            objects = narrow(objects)
        return objects

    def see(self, event: CacheEvent, since: int = 0) -> WatchEvent | None:
        """How a watcher of this selection sees an event; None when it is not concerned.

        `since` is the version from which it goes on, which tells what it knows of coalesced events.
        """
        if isinstance(event, CoalescedEvent) or event.is_doubted(since):
            return self.see_apart(event, since)
        try:
            return self._verdicts[event.rv]
        except KeyError:
            pass
        if len(self._verdicts) >= _VERDICTS_LIMIT:
            self._verdicts.clear()
        verdict = self._verdicts[event.rv] = self._judge(event)
        return verdict

    def see_apart(self, event: CacheEvent, since: int = 0) -> WatchEvent | None:
        """How a watcher sees an event that is told to his view alone: no verdict is remembered."""
        if isinstance(event, CoalescedEvent):
            return self._judge_coalesced(event, event.added <= since)
        return self._judge_coalesced(event, True) if event.is_doubted(since) else self._judge(event)

    def _judge(self, event: CacheEvent) -> WatchEvent | None:
        if event.stays:
            if event.type == DELETED:
                return None
            previous = event.other_half
        else:
            previous = event.previous
        before = previous is not None and self.matches(previous)
        now = event.type != DELETED and self.matches(event.object)
        if now:
            return event.seen_as(MODIFIED if before else ADDED)
        return event.seen_as(DELETED) if before else None

    def _judge_coalesced(self, event: CacheEvent, perhaps: bool) -> WatchEvent | None:
        """Whether the object was selected before is not known, so whoever may have been told of it is told its end."""
        if event.stays and event.type == DELETED:
            return None
        if event.type != DELETED and self.matches(event.object):
            return event.seen_as(MODIFIED if perhaps else ADDED)
        return event.seen_as(DELETED) if perhaps and self._may_have_matched(event.object) else None

    def _may_have_matched(self, obj: CachedObject) -> bool:
        """Whether an object may have been selected in another state: what can never change in it must match."""
        if self.query.namespace and obj.namespace != self.query.namespace:
            return False
        return all(test(obj) for test in self._lasting_tests)


def anchors(obj: CachedObject, terms: Iterable[Term]) -> Iterator[Hashable]:
    """The anchors of all selections that may select an object, which is indexed under `terms`."""
    yield obj.key
    yield obj.namespace
    yield from terms
    yield from obj.labels.items()


class Selections:
    """The selections in use, each compiled once."""

    def __init__(self, kind: ResourceKind) -> None:
        """Compile for objects of `kind`."""
        self._kind = kind
        self._in_use: WeakValueDictionary[Query, Selection] = WeakValueDictionary()

    def of(self, query: Query) -> Selection:
        """The shared selection of a query."""
        selection = self._in_use.get(query)
        if selection is None:
            selection = self._in_use[query] = Selection(query, self._kind)
        return selection
