"""get, list and watch of merged resources beside a real kube-apiserver that holds the same objects.

Every combination of resourceVersion, resourceVersionMatch, limit, continue, sendInitialEvents and allowWatchBookmarks,
every form of answer, and odd values of every parameter. What is answered differently has to be among the few deliberate
differences, each with its reason.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e import read_questions
from tests.e2e.read_matrix import Question, differing
from tests.e2e.read_pair import Pair


@dataclass(frozen=True)
class Deliberate:
    """A kind of question that is answered differently on purpose."""

    why: str
    applies: Callable[[dict[str, str], Question, Any, Any], bool]


def _message(answer: Any) -> str:
    return str(answer["body"][0].get("message")) if answer["body"] else ""


def _without_retry(value: Any) -> Any:
    if isinstance(value, dict):
        skipped = ("Retry-After", "retryAfterSeconds")
        return {key: _without_retry(item) for key, item in value.items() if key not in skipped}
    return [_without_retry(item) for item in value] if isinstance(value, list) else value


UNREADABLE = Deliberate(
    "a version that cannot be read is the client's mistake: kube-apiserver's cache makes a 500 without a reason of it",
    lambda query, asked, real, own: real["status"] == 500 and own["status"] in {400, 406, 422},
)
TOKEN_TEXT = Deliberate(
    "our tokens are no JSON, so what is wrong with one is told in other words behind the same beginning",
    lambda query, asked, real, own: (
        real["status"] == own["status"] == 400
        and all("invalid continue token: continue key is not valid: " in _message(said) for said in (real, own))
    ),
)
BEFORE_US = Deliberate(
    "kube-apiserver remembers all since it started, the gateway nothing from before it read the member",
    lambda query, asked, real, own: query.get("resourceVersion", "").lstrip("0") == "1" and "too old" in _message(own),
)
BEYOND_ALL = Deliberate(
    "the last uint64 is no version that will ever come: who waits for it is sent back to listing",
    lambda query, asked, real, own: query.get("resourceVersion") == str(2**64 - 1),
)
UNCACHED = Deliberate(
    "kube-apiserver keeps no cache of Events, so that it pages what may be of any age; here they are cached like Pods",
    lambda query, asked, real, own: (
        "events" in asked.path and query.get("resourceVersion") == "0" and "limit" in query and real["status"] == 200
    ),
)
RETRY = Deliberate(
    "when to ask again after a version that did not come is told always, and not at random",
    lambda query, asked, real, own: (
        "Too large resource version" in _message(real) and _without_retry(real) == _without_retry(own)
    ),
)
GO_TYPE = Deliberate(
    "no Go types are named in messages",
    lambda query, asked, real, own: "(*core." in _message(real) and real["status"] == own["status"] == 406,
)
LIST_OF_ONE = Deliberate(
    "a watch cannot send lists of metadata: told at once, where kube-apiserver ends the stream at the first event",
    lambda query, asked, real, own: (
        "watch" in query and "MetadataList" in asked.accept and (real["status"], own["status"]) == (200, 406)
    ),
)
TWO_FAULTS = Deliberate(
    "of two faults in one request it is the parameter that is told first, not the form of the answer",
    lambda query, asked, real, own: query.get("limit") == "x" and (real["status"], own["status"]) == (406, 400),
)
WILDCARD = Deliberate(
    "application/* is accepted as HTTP means it; kube-apiserver's router does not know it",
    lambda query, asked, real, own: asked.accept == "application/*" and real["status"] == 406,
)
DELIBERATE = (
    *(UNREADABLE, TOKEN_TEXT, BEFORE_US, BEYOND_ALL, UNCACHED, RETRY, GO_TYPE, LIST_OF_ONE, TWO_FAULTS, WILDCARD),
)


def unexplained(different: dict[Question, tuple[Any, Any]], *expected: Deliberate) -> list[str]:
    """What is different without being one of the expected differences, and which of those no longer is."""
    seen, left = set(), []
    for asked, (real, own) in different.items():
        query = dict(asked.query)
        reason = next((one for one in expected if one.applies(query, asked, real, own)), None)
        if reason is None:
            left.append(f"{asked}\n    kube-apiserver: {json.dumps(real)}\n    gateway: {json.dumps(own)}")
        else:
            seen.add(reason)
    return left + [f"no longer different: {reason.why}" for reason in expected if reason not in seen]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (read_questions.lists, (TOKEN_TEXT, BEFORE_US, UNCACHED, RETRY)),
        (read_questions.watches, (UNREADABLE, BEFORE_US, RETRY)),
        (read_questions.gets, (UNREADABLE, RETRY)),
        (read_questions.selections, (BEFORE_US, UNCACHED, RETRY)),
        (read_questions.prefixed, ()),
        (read_questions.odd, (UNREADABLE, TOKEN_TEXT, BEFORE_US, BEYOND_ALL)),
        (read_questions.forms, (BEFORE_US, RETRY, GO_TYPE, LIST_OF_ONE, TWO_FAULTS, WILDCARD)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_every_answer_is_kube_apiservers(
    pair: Pair, asked: Callable[[], Iterator[Question]], expected: tuple[Deliberate, ...]
) -> None:
    async with pair.servers() as (ours, theirs):
        left = unexplained(await differing(ours, theirs, list(asked())), *expected)
    assert not left, "\n".join(left[:20])
