import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.field_selectors import parse_field_selector
from gateway.apimachinery.label_selectors import parse_label_selector
from gateway.apimachinery.meta import ObjectKey
from gateway.apimachinery.options import ListOptions
from gateway.storage.interface import EventType, StoredEvent, StoredObject, encode_value
from gateway.storage.selection import Selection
from tests.gateway.storage.test_definitions import find


def stored(revision: int, label: str, name: str = "a", namespace: str = "ns") -> StoredObject:
    value = encode_value({"metadata": {"name": name, "labels": {"l": label}}, "type": label})
    return StoredObject.from_value(ObjectKey(namespace, name), revision, value, 0)


def selection(labels: str = "", fields: str = "", namespace: str = "") -> Selection:
    options = ListOptions(label_selector=parse_label_selector(labels), field_selector=parse_field_selector(fields))
    return Selection.of(find("v1", "secrets"), namespace, options)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (selection(), True),
        (selection("l=x"), True),
        (selection("l!=x"), False),
        (selection(fields="type=x"), True),
        (selection(fields="type=y"), False),
        (selection(fields="metadata.name=a"), True),
        (selection(namespace="ns"), True),
        (selection(namespace="other"), False),
    ],
)
def test_what_is_selected(chosen: Selection, expected: bool) -> None:
    assert chosen.matches(stored(1, "x")) is expected


def test_fields_that_cannot_be_selected_by_are_refused() -> None:
    with pytest.raises(ApiError, match=r"field label not supported: status\.phase"):
        selection(fields="status.phase=x")


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        ("ADDED", "", "x", ("ADDED", "x")),
        ("ADDED", "", "y", None),
        ("MODIFIED", "x", "x", ("MODIFIED", "x")),
        ("MODIFIED", "y", "x", ("ADDED", "x")),
        ("MODIFIED", "x", "y", ("DELETED", "x")),
        ("MODIFIED", "y", "y", None),
        ("DELETED", "x", "x", ("DELETED", "x")),
        ("DELETED", "y", "y", None),
    ],
)
def test_objects_enter_and_leave_a_selection(
    kind: EventType, before: str, after: str, expected: tuple[str, str] | None
) -> None:
    previous = stored(4, before) if before else None
    event = selection("l=x").event(StoredEvent(kind, 5, stored(5, after), previous))
    if expected is None:
        assert event is None
        return
    assert event is not None
    assert event.object is not None
    seen = event.object.decode()
    assert (event.type, seen["metadata"]["labels"]["l"]) == expected
    assert seen["metadata"]["resourceVersion"] == "5", "also of an object that left"


def test_other_namespaces_are_not_seen() -> None:
    assert selection(namespace="ns").event(StoredEvent("ADDED", 1, stored(1, "x", namespace="other"))) is None
    assert selection(namespace="ns").event(StoredEvent("ADDED", 1, stored(1, "x"))) is not None
