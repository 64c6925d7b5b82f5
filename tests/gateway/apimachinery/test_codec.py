"""Request bodies: decoded, or refused with kube-apiserver's text."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.apimachinery import codec
from gateway.apimachinery.codec import CUSTOM_MEDIA_TYPES, DecodeError, decode_body, decode_json
from gateway.apimachinery.errors import ApiError
from tests.gateway.apimachinery.goldens import load, sample

UNRECOGNIZED = "the object provided is unrecognized (must be of type Deployment): "
PARSE_ERROR = "couldn't get version/kind; json parse error: "


def _refusal(data: bytes, content_type: str | None = None, **options) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        decode_body(data, content_type, expected_kind="Deployment", **options)
    return refusal.value


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("Application/YAML", "application/yaml"),
        (" application/vnd.kubernetes.protobuf ", "application/vnd.kubernetes.protobuf"),
    ],
)
def test_media_type(header, found):
    assert codec.media_type(header) == found


def test_decodes_every_media_type_to_the_same_object():
    golden = sample("apps/v1 Deployment")
    bodies = {
        "application/json": json.dumps(golden.json).encode(),
        "application/yaml": codec.encode_yaml(golden.json),
        "application/vnd.kubernetes.protobuf": golden.protobuf,
    }
    for content_type, data in bodies.items():
        body = decode_body(data, content_type)
        assert body.obj == golden.json
        assert body.media_type == content_type
        assert body.strict_errors == ()
        assert not body.protobuf_unknown_fields


def test_unknown_media_types():
    error = _refusal(b"{}", "text/plain")
    assert (error.code, error.message) == (
        415,
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
    error = _refusal(b"{}", "application/vnd.kubernetes.protobuf", accepted=CUSTOM_MEDIA_TYPES)
    assert (error.code, error.message.endswith("include: application/json, application/yaml")) == (415, True)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", PARSE_ERROR + "unexpected end of JSON input (<empty>)"),
        (b"{", PARSE_ERROR + "unexpected end of JSON input ({)"),
        (b"not json", PARSE_ERROR + "invalid character 'o' in literal null (expecting 'u') (6e6f74206a736f6e)"),
        (
            b"\xef\xbb\xbf" + b'{"a":"a long text behind the mark"}',
            PARSE_ERROR + "invalid character 'ï' looking for beginning of value "
            "(efbbbf7b2261223a2261206c6f6e67207465787420626568696e64207468 ...)",
        ),
        (
            b'{"a":NaN, "b":"and so on and so on"}',
            PARSE_ERROR + 'invalid character \'N\' looking for beginning of value ({"a":NaN, "b":"and so on and s ...)',
        ),
    ],
)
def test_broken_json(data, text):
    error = _refusal(data)
    assert (error.code, error.reason, error.message) == (400, "BadRequest", UNRECOGNIZED + text)


def test_large_broken_texts_are_refused_without_a_long_look():
    assert PARSE_ERROR + "malformed JSON" in _refusal(b"[" + b"1," * 100_000 + b"x").message


def test_without_an_expected_kind_none_is_named():
    with pytest.raises(ApiError, match=r"^the object provided is unrecognized: couldn't get"):
        decode_body(b"{", None)


NO_KIND = [entry for entry in load("strict.jsonl.xz") if entry["error"].startswith(PARSE_ERROR + "json: cannot")]


@pytest.mark.parametrize("entry", NO_KIND, ids=lambda entry: entry["body"])
def test_bodies_without_kind_and_version_in_gos_words(entry):
    assert _refusal(entry["body"].encode()).message.startswith(UNRECOGNIZED + entry["error"] + " (")


def test_null_is_an_empty_object():
    assert decode_body(b"null", None).obj == {}


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"a":1e400}',
        b'{"a":-1E999}',
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data):
    assert PARSE_ERROR in _refusal(data).message


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900,
                                  b"[" * 301 + b"]" * 301])  # fmt: skip
def test_deep_nesting_is_refused(data):
    assert "exceeded max depth" in _refusal(data).message


def test_wide_but_flat_bodies_are_fine():
    value = [{"a": [{}]}] * 1000
    assert decode_json(json.dumps(value).encode()) == value


def test_numbers():
    value = decode_json(
        b'{"a":[9223372036854775807,9223372036854775808,-9223372036854775809,1.0,"12345678901234567890"]}'
    )
    assert value == {
        "a": [9223372036854775807, 9223372036854775808.0, -9223372036854775809.0, 1.0, "1" + "2345678901234567890"]
    }
    assert [type(item) for item in value["a"]] == [int, float, float, float, str]


def test_duplicates_are_always_reported():
    """A server that merges them, as Go does, must not see what we did not: `spec.replicas` is gone from ours."""
    body = decode_body(b'{"spec":{"replicas":0},"spec":{"paused":true,"paused":false}}', None)
    assert body.obj == {"spec": {"paused": False}}
    assert body.strict_errors == ('duplicate field "spec"', 'duplicate field "spec.paused"')


def test_duplicate_paths():
    text = b'{"a":[{"b":1},{"b":1,"b":2,"b":3}],"c":{"d e":{"x":1,"x":1}},"\\n":1,"\\u000a":2}'
    assert codec.strict_errors(text) == [
        'duplicate field "a[1].b"',
        'duplicate field "c.d e.x"',
        'duplicate field "\\n"',
    ]
    assert codec.strict_errors(b'{"a":1,"b":[{"a":1}]}') == []


def test_no_more_duplicates_than_go_reports():
    text = b"{" + b",".join(b'"k%d":1,"k%d":2' % (n, n) for n in range(150)) + b"}"
    assert len(codec.strict_errors(text)) == 100


def test_broken_yaml():
    error = _refusal(b"a: [", "application/yaml")
    assert error.message == UNRECOGNIZED + "yaml: line 1: did not find expected node content (613a205b)"


def test_duplicates_in_yaml():
    body = decode_body(b"a: 1\na: 2\n", "application/yaml")
    assert body.obj == {"a": 2}
    assert body.strict_errors == ('yaml: unmarshal errors:\n  line 2: key "a" already set in map',)


def test_json_in_a_yaml_body():
    assert codec.decode_yaml_or_json(b'{"a":1,"a":2}') == ({"a": 2}, ['duplicate field "a"'])
    assert codec.decode_yaml_or_json(b"{a: 1}") == ({"a": 1}, [])
    with pytest.raises(DecodeError, match="yaml: line"):
        codec.decode_yaml_or_json(b"{a: 1")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", UNRECOGNIZED + "empty data (<empty>)"),
        (b"{}", UNRECOGNIZED + "provided data does not appear to be a protobuf message, "
         "expected prefix [107 56 115 0] ({})"),
        (b"k8s\x00", UNRECOGNIZED + "empty body (6b387300)"),
        (b"k8s\x00\x12\x00", UNRECOGNIZED + "Object 'Kind' is missing in the protobuf envelope (6b3873001200)"),
        (b"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x05",
         'Pod in version "v1" cannot be handled as a Deployment: unexpected EOF'),
        (b"k8s\x00\x0a\x0a\x0a\x04a/v1\x12\x02No\x12\x00",
         'No in version "v1" cannot be handled as a Deployment: no kind "No" is registered for version "a/v1"'),
    ],
)  # fmt: skip
def test_broken_protobuf(data, text):
    error = _refusal(data, "application/vnd.kubernetes.protobuf")
    assert (error.code, error.message) == (400, text)


def test_unknown_protobuf_fields_are_reported():
    data = b"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x04\xfa\x3f\x01x"
    assert decode_body(data, "application/vnd.kubernetes.protobuf").protobuf_unknown_fields


@given(st.binary(max_size=60), st.sampled_from(codec.BUILT_IN_MEDIA_TYPES))
@example(b'{"a":' * 20_000, "application/json")
@example(b"\xef\xbb\xbf{}", "application/json")
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read_or_refused(data, content_type):
    code, answer = 200, {}
    try:
        answer = decode_body(data, content_type).obj
    except ApiError as error:
        code, answer = error.code, error.status
    assert code in (200, 400)
    assert codec.encode_json(answer)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers() | st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    )
)
@settings(deadline=None)
def test_json_comes_back(value):
    again = decode_json(codec.encode_json(value))
    assert {key: float(item) if isinstance(item, int) else item for key, item in again.items()} == {
        key: float(item) if isinstance(item, int) else item for key, item in value.items()
    }


def test_written_forms():
    obj = {"kind": "Pod", "items": [], "spec": {"a": 1}}
    assert codec.encode_json(obj) == b'{"kind":"Pod","items":[],"spec":{"a":1}}\n'
    assert codec.encode_pretty(obj) == b'{\n  "kind": "Pod",\n  "items": [],\n  "spec": {\n    "a": 1\n  }\n}'
    assert codec.watch_frame_json("ADDED", b'{"kind":"Pod"}') == b'{"type":"ADDED","object":{"kind":"Pod"}}\n'
