"""What is asked in the comparison of reads with a real kube-apiserver.

The objects are thing-0, thing-1, … of one namespace, three times: as Pods, as Events and as Events of the new group.
thing-1 was changed, thing-2 deleted and the last one created after the version that is called `{old}`.
"""

from collections.abc import Iterator

from tests.e2e.read_matrix import PROTOBUF, Question, questions

NAMESPACE = "matrix"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
NEW_EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
COLLECTIONS = {"api/pods": PODS, "api/events": EVENTS, "apis/events.k8s.io/events": NEW_EVENTS}
JSON = "application/json"
TABLE = f"{JSON};as=Table;v=v1;g=meta.k8s.io"
PARTIAL = f"{JSON};as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = PARTIAL.replace("Metadata;", "MetadataList;")

VERSIONS = (None, "", "0", "1", "{old}", "{now}", "{future}", "junk", "-1")
MATCHES = (None, "Exact", "NotOlderThan", "Junk")


WATCH = {"watch": ("true",), "timeoutSeconds": ("1",)}
BOOKMARKS = {"allowWatchBookmarks": (None, "true")}


def lists() -> Iterator[Question]:
    """Every combination for Pods of a namespace, those that matter for the other collections."""
    whole = {"continue": (None, "{token}", "junk"), "resourceVersion": VERSIONS, "resourceVersionMatch": MATCHES}
    yield from questions(PODS, {**whole, "limit": (None, "2"), "sendInitialEvents": (None, "true", "false")})
    for path in (EVENTS, NEW_EVENTS):
        yield from questions(path, {**whole, "limit": (None, "2")})


def watches() -> Iterator[Question]:
    """Every combination."""
    for path in COLLECTIONS.values():
        choices = {**WATCH, "resourceVersion": VERSIONS, "resourceVersionMatch": MATCHES}
        yield from questions(path, {**choices, "sendInitialEvents": (None, "true", "false"), **BOOKMARKS})


def gets() -> Iterator[Question]:
    """One object, there or not, at every version."""
    for path in COLLECTIONS.values():
        for name in ("thing-1", "thing-2"):
            yield from questions(f"{path}/{name}", {"resourceVersion": VERSIONS, "resourceVersionMatch": MATCHES})


def selections() -> Iterator[Question]:
    """By field and label: one name, one namespace of all, objects that enter and leave a selection."""
    for path in COLLECTIONS.values():
        everywhere = path.replace(f"/namespaces/{NAMESPACE}", "")
        for base, fields in (
            (everywhere, f"metadata.namespace={NAMESPACE}"),
            (everywhere, f"metadata.name=thing-1,metadata.namespace={NAMESPACE}"),
            (path, "metadata.name=thing-1"),
            (path, "metadata.name=thing-2"),
            (path, "metadata.name!=thing-1"),
        ):
            by_field = {"fieldSelector": (fields,), "resourceVersion": VERSIONS[:-2]}
            yield from questions(base, {**by_field, "resourceVersionMatch": MATCHES[:-1], "limit": (None, "1", "2")})
            yield from questions(base, {**WATCH, **by_field, "limit": (None, "1"), **BOOKMARKS})
        for label in ("step=2", "step", "!step", "step notin (1)"):
            by_label = {"labelSelector": (label,), "resourceVersion": VERSIONS[:-3]}
            yield from questions(path, {**by_label, "limit": (None, "1", "2")})
            yield from questions(path, {**WATCH, **by_label})


def prefixed() -> Iterator[Question]:
    """The deprecated /watch/ paths of a collection and of one object."""
    fields = (
        None,
        "metadata.name=thing-1",
        "metadata.name!=thing-1",
        f"metadata.name=thing-1,metadata.namespace={NAMESPACE}",
    )
    for path in COLLECTIONS.values():
        watch = path.replace("/v1/", "/v1/watch/", 1)
        for base in (watch, f"{watch}/thing-1", f"{watch}/thing-2"):
            choices = {"timeoutSeconds": ("1",), "resourceVersion": (None, "{old}", "0"), "fieldSelector": fields}
            yield from questions(base, {**choices, "labelSelector": (None, "step=2")})


ODD = {
    "limit": ("-1", "0", "x", "", "1.5", "99999999999999999999", "500", "+2", "0x2"),
    "allowWatchBookmarks": ("0", "false", "x", "1", ""),
    "sendInitialEvents": ("0", "false", "x", "1", ""),
    "continue": ("", "x", "!", "=", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"),
    "resourceVersion": ("01", "00", "+1", " 1", "1.0", str(2**64 - 1), str(2**64), "0x1", "1_0"),
    "resourceVersionMatch": ("exact", "notOlderThan", ""),
    "labelSelector": (
        *("a=b=c", "step in", "step in (", ",", "step=1,", "step==1", "step=", "step>0", "a b", "x/y/z=1"),
        *("step in ()", "=1"),
    ),
    "fieldSelector": (
        *("a=b", "metadata.name", "metadata.name=", ",", "metadata.name=thing-1,", "metadata.name==thing-1", "="),
        *("metadata.name=thing-1,metadata.name=thing-0", "metadata.name=a\\b", "status.phase", "metadata.name>3", "!="),
    ),
    "pretty": ("true", "x"),
    "unknown": ("x",),
    "timeout": ("1s",),
}


def odd() -> Iterator[Question]:
    """Values at the edge of what each parameter takes, and beyond."""
    listed = {("watch", value): ("timeoutSeconds", "1") for value in ("0", "false", "False", "x", "1", "", "t", "no")}
    waited = ("0", "-1", "x", "1.5", "", "99999999999999999999", "2s", " 1", "+1", "1_0")
    several: tuple[tuple[tuple[str, str], ...], ...] = (
        (("limit", "1"), ("limit", "2")),
        (("resourceVersion", "junk"), ("limit", "x"), ("labelSelector", "a b")),
        (("fieldSelector", "a=b"), ("labelSelector", "a b"), ("limit", "x")),
        (("fieldSelector", "a=b"), ("sendInitialEvents", "true")),
        (("fieldSelector", "a=b"), ("resourceVersion", "junk")),
        *(pair for pair in listed.items()),
        *((("timeoutSeconds", value),) for value in waited),
    )
    for path in COLLECTIONS.values():
        for query in several:
            yield Question(path, query)
        for name, values in ODD.items():
            for value in values:
                yield Question(path, ((name, value),))
                yield Question(path, (("watch", "true"), ("timeoutSeconds", "1"), (name, value)))
        for name in ("thing-1", "thing-2"):
            yield Question(f"{path}/{name}", (("watch", "true"), ("timeoutSeconds", "1")))


def forms() -> Iterator[Question]:
    """Every form of an answer, also of refusals and of errors within a watch."""
    in_protobuf = [form.replace(JSON, PROTOBUF) for form in (TABLE, PARTIAL, PARTIAL_LIST)]
    accepts = (
        *(JSON, TABLE, PARTIAL, PARTIAL_LIST, PROTOBUF, *in_protobuf, "application/yaml", "text/plain", "*/*"),
        *(
            "application/*",
            "application/cbor",
            f"{JSON};stream=watch",
            f"{PROTOBUF};stream=watch",
            f"{JSON};charset=utf-8",
        ),
        *(f"{TABLE},{JSON}", f"{in_protobuf[0]},{TABLE}", f"{in_protobuf[1]},{PROTOBUF}"),
        *(TABLE.replace("v=v1", "v=v1beta1"), TABLE.replace("v=v1", "v=v2")),
    )
    watch = {"watch": "1", "timeoutSeconds": "1"}
    initial = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    queries: tuple[dict[str, str], ...] = (
        *({}, {"resourceVersion": "{future}"}, {"limit": "2"}, {"limit": "x"}, {"fieldSelector": "a=b"}, watch),
        *({**watch, "resourceVersion": "{old}"}, {**watch, "resourceVersion": "1"}, {**watch, **initial}),
    )
    for path in COLLECTIONS.values():
        for accept in accepts:
            for query in queries:
                yield Question(path, tuple(query.items()), accept)
            for name in ("thing-1", "thing-2"):
                yield Question(f"{path}/{name}", (), accept)
