import pytest

from gateway.apimachinery.errors import ApiError
from gateway.apimachinery.options import (
    InvalidRevision,
    ListOptions,
    list_revision,
    parse_list_options,
    parse_revision,
    watch_revision,
)
from gateway.apimachinery.schema import GroupResource

PODS = GroupResource("", "pods")


def refusal(query, *, watch=False):
    with pytest.raises(ApiError) as caught:
        parse_list_options(query, watch=watch)
    return caught.value


def test_nothing_asked_for():
    assert parse_list_options({}, watch=False) == ListOptions()


def test_everything_is_read():
    options = parse_list_options(
        {
            "labelSelector": "a=1",
            "fieldSelector": "metadata.name=x",
            "limit": "500",
            "continue": "token",
            "timeoutSeconds": "30",
            "allowWatchBookmarks": "true",
        },
        watch=False,
    )
    assert str(options.label_selector) == "a=1"
    assert str(options.field_selector) == "metadata.name=x"
    assert (options.limit, options.continue_token, options.timeout_seconds) == (500, "token", 30)
    assert options.allow_watch_bookmarks


def test_a_negative_limit_is_none():
    assert parse_list_options({"limit": "-1"}, watch=False).limit == 0


@pytest.mark.parametrize(("text", "value"), [("", True), ("1", True), ("true", True), ("0", False), ("False", False)])
def test_booleans_as_kubernetes_reads_them(text, value):
    assert parse_list_options({"allowWatchBookmarks": text}, watch=True).allow_watch_bookmarks is value


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ({"limit": ""}, 'strconv.ParseInt: parsing "": invalid syntax'),
        (
            {"timeoutSeconds": "9223372036854775808"},
            'strconv.ParseInt: parsing "9223372036854775808": value out of range',
        ),
        ({"labelSelector": "!"}, "unable to parse requirement: found '', expected: identifier"),
        ({"fieldSelector": "a"}, "invalid selector: 'a'; can't understand 'a'"),
    ],
)
def test_unreadable_values_are_400(query, message):
    error = refusal(query)
    assert (error.code, error.reason, error.message) == (400, "BadRequest", message)


MATCH = "resourceVersionMatch"


@pytest.mark.parametrize(
    ("query", "watch", "faults"),
    [
        ({MATCH: "Exact"}, False, f"{MATCH}: Forbidden: {MATCH} is forbidden unless resourceVersion is provided"),
        (
            {MATCH: "Exact", "resourceVersion": "0"},
            False,
            f'{MATCH}: Forbidden: {MATCH} "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {MATCH: "NotOlderThan", "resourceVersion": "5", "continue": "x"},
            False,
            f"{MATCH}: Forbidden: {MATCH} is forbidden when continue is provided",
        ),
        (
            {MATCH: "Foo", "resourceVersion": "5"},
            False,
            f'{MATCH}: Unsupported value: "Foo": supported values: "Exact", "NotOlderThan", ""',
        ),
        (
            {"sendInitialEvents": "true"},
            False,
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ),
        (
            {"sendInitialEvents": "true"},
            True,
            f"{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan",
        ),
        (
            {"sendInitialEvents": "false", "resourceVersion": "5"},
            True,
            f"{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan",
        ),
        (
            {MATCH: "NotOlderThan", "resourceVersion": "5"},
            True,
            f"{MATCH}: Forbidden: {MATCH} is forbidden for watch unless sendInitialEvents is provided",
        ),
        (
            {MATCH: "Exact", "sendInitialEvents": "true", "continue": "x"},
            True,
            f"[{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan, "
            f'{MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan", '
            f"{MATCH}: Forbidden: {MATCH} is forbidden when continue is provided]",
        ),
    ],
)
def test_combinations_that_are_not_allowed_are_422(query, watch, faults):
    error = refusal(query, watch=watch)
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == f'ListOptions.meta.k8s.io "" is invalid: {faults}'


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_from_anywhere_gets_initial_events(version):
    options = parse_list_options({"resourceVersion": version}, watch=True)
    assert options.send_initial_events is True
    assert options.resource_version_match == "NotOlderThan"


def test_a_watch_from_a_version_gets_none():
    assert parse_list_options({"resourceVersion": "5"}, watch=True).send_initial_events is None


def test_initial_events_can_be_declined():
    query = {"resourceVersionMatch": "NotOlderThan", "sendInitialEvents": "false"}
    assert parse_list_options(query, watch=True).send_initial_events is False


def test_a_name_in_the_path_is_a_field_selector():
    assert str(ListOptions().for_name("x").field_selector) == "metadata.name=x"
    options = parse_list_options({"fieldSelector": "metadata.name=x"}, watch=True)
    assert options.for_name("x") is options
    with pytest.raises(ApiError, match=r"fieldSelector metadata\.name doesn't match requested name"):
        options.for_name("y")


def test_revisions():
    assert parse_revision("") == parse_revision("0") == 0
    assert parse_revision("18446744073709551615") == 2**64 - 1
    for text in ("-1", "abc", "1.0", "٣"):
        with pytest.raises(InvalidRevision, match="invalid syntax"):
            parse_revision(text)
    with pytest.raises(InvalidRevision, match="value out of range"):
        parse_revision("18446744073709551616")


def test_a_bad_revision_is_400_on_lists_and_422_on_watches():
    assert list_revision("7") == watch_revision("7", PODS) == 7
    text = 'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'
    with pytest.raises(ApiError) as caught:
        list_revision("x")
    assert (caught.value.code, caught.value.message) == (400, f"invalid resource version: {text}")
    with pytest.raises(ApiError) as caught:
        watch_revision("x", PODS)
    assert (caught.value.code, caught.value.message) == (422, f'pods "" is invalid: {text}')
