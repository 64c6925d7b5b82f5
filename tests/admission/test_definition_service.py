from typing import Any

import pytest

from admission.definition_service import listed_version, may_have_objects, serves
from gateway.apimachinery.meta import JsonObject
from tests.admission.support import established, version

HIDDEN = version(served=False)


def with_status(definition: JsonObject, **status: Any) -> JsonObject:
    return definition | {"status": definition["status"] | status}


def condition(status: str, reason: str = "") -> list[dict[str, str]]:
    return [{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": status, "reason": reason}]


PARTIAL = {"plural": "clonesets", "singular": "cloneset"}
UNESTABLISHED = with_status(established(), conditions=None)


@pytest.mark.parametrize(
    ("definition", "served", "filled"),
    [
        (established(), True, True),
        (established(HIDDEN), False, True),
        (established(HIDDEN, version("v1")), True, True),
        (UNESTABLISHED, False, True),
        (with_status(established(), conditions=condition("False", "Installing")), False, True),
        (with_status(established(), conditions=["junk", None]), False, True),
        (with_status(established(), acceptedNames={"plural": "others"}), False, True),
        (with_status(established(), conditions=condition("False", "NotAccepted")), False, False),
        (with_status(UNESTABLISHED, acceptedNames=PARTIAL), False, False),
        (with_status(UNESTABLISHED, acceptedNames=None), False, False),
        (with_status(UNESTABLISHED, storedVersions=[]), False, False),
        ({"spec": established()["spec"]}, False, False),
    ],
)
def test_what_is_served_and_what_may_be_stored(definition: JsonObject, served: bool, filled: bool) -> None:
    assert (serves(definition), may_have_objects(definition)) == (served, filled)


def test_objects_are_listed_as_they_are_stored_if_that_is_served() -> None:
    assert listed_version(established(version("v1"), version("v2", storage=True))) == "v2"
    assert listed_version(established(version("v1"), version("v2", storage=True, served=False))) == "v1"
    assert not listed_version(established(HIDDEN))
