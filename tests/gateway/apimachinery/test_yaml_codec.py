"""YAML bodies: scalars as Kubernetes reads them, bombs defused, and what is written reads back."""

import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.apimachinery.codec import decode_json
from gateway.apimachinery.yaml_codec import MAX_DEPTH, YamlError, decode_yaml, encode_yaml
from tests.gateway.apimachinery.goldens import load


def _value(text: str | bytes):
    value, strict_errors = decode_yaml(text.encode() if isinstance(text, str) else text)
    assert strict_errors == []
    return value


# What Go does with these is not worth copying: its words for keys that are no text show Go's own types, and a merge
# that repeats a key counts as a duplicate.
DIFFERENT = ("? [a]", "~: 1", "null: 1", "<<: [{c: 5")
VERDICTS = [entry for entry in load("yaml.jsonl.xz") if not any(text in entry["text"] for text in DIFFERENT)]


@pytest.mark.parametrize("entry", [entry for entry in VERDICTS if not entry["error"]], ids=lambda entry: entry["text"])
def test_reads_what_kubernetes_reads(entry):
    value, strict_errors = decode_yaml(entry["text"].encode())
    read, expected = decode_json(json.dumps(value).encode()), decode_json(entry["json"].encode())
    assert json.dumps(read, sort_keys=True) == json.dumps(expected, sort_keys=True)  # 1 is not 1.0 is not True
    assert strict_errors == ([entry["strict"]] if entry["strict"] else [])


@pytest.mark.parametrize("entry", [entry for entry in VERDICTS if entry["error"]], ids=lambda entry: entry["text"])
def test_refuses_in_the_words_of_kubernetes(entry):
    with pytest.raises(YamlError) as refusal:
        decode_yaml(entry["text"].encode())
    assert str(refusal.value) == entry["error"]


def test_the_first_document_counts():
    assert _value("---\na: 1\n---\nb: 2\n") == {"a": 1}
    assert _value("") is None
    assert _value("\ufeffa: 1") == {"a": 1}
    assert _value("just text") == "just text"


def test_keys_become_text():
    assert _value("1: a\ntrue: b\n1.5: c\nfalse: d") == {"1": "a", "true": "b", "1.5": "c", "false": "d"}


def test_aliases_and_merges():
    text = "a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, g: 3}\nf: {c: 4, <<: [{c: 5, g: 6}, {g: 7, h: 8}]}\n'<<': 9"
    value = _value(text)
    assert value["d"] == {"b": 1, "c": 2}
    assert value["e"] == {"b": 1, "c": 2, "g": 3}
    assert value["f"] == {"c": 5, "g": 6, "h": 8}
    assert value["<<"] == 9
    value["a"]["b"] = "changed"
    assert value["d"]["b"] == 1


def test_scalars_can_be_anchors_and_keys_aliases():
    assert _value("&k a: &v [1]\nb: *k\n*k : 2\nc: *v")["b"] == "a"
    assert _value("x: &n 5\nz: *n") == {"x": 5, "z": 5}


def test_duplicate_keys_are_reported_by_line():
    value, strict_errors = decode_yaml(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert value == {"a": 3, "b": {"c": 2}}
    assert strict_errors == [
        'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map'
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: \xff", "invalid leading UTF-8 octet"),
        (b"a: !!binary /w==", "invalid base64"),
        (b"? [a]\n: 1", "a map key is not"),
        (b"~: 1", "a map key is not"),
        (b"a: &x {}\n*x : 1", "a map key is not"),
    ],
)
def test_refused_texts(text, problem):
    with pytest.raises(YamlError) as refusal:
        decode_yaml(text)
    assert problem in str(refusal.value)


def test_numbers_beyond_64_bits():
    assert _value(b"a: 0x" + b"9" * 500) == {"a": "0x" + "9" * 500}
    assert _value("a: 12345678901234567890") == {"a": 12345678901234567890.0}


@pytest.mark.parametrize("text", [b"[" * 100_000, b"{a: " * 100_000, b"- " * 50_000, b"? " * 50_000])
def test_deep_nesting_ends_in_an_error_not_in_a_crash(text):
    """libyaml's own composer overflows the C stack on these."""
    with pytest.raises(YamlError):
        decode_yaml(text)


def test_depth_hidden_in_aliases():
    half = MAX_DEPTH // 2 + 1
    text = b"a: &a " + b"[" * half + b"]" * half + b"\nb: " + b"[" * half + b"*a" + b"]" * half
    with pytest.raises(YamlError, match="exceeded max depth"):
        decode_yaml(text)


def test_the_billion_laughs():
    rows = [b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    rows += [b"a%d: &a%d [%b]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10)]
    with pytest.raises(YamlError, match="too many values or excessive aliasing"):
        decode_yaml(b"\n".join(rows))


def test_many_values():
    with pytest.raises(YamlError, match="too many values"):
        decode_yaml(b"[" + b"a," * 300_000 + b"]")


def test_what_is_written_looks_like_kubernetes():
    obj = {"spec": {"list": ["a", {"b": 1}], "empty": {}, "none": []}, "kind": "Pod", "text": "one\ntwo\n", "n": None}
    assert encode_yaml(obj).decode() == (
        'kind: Pod\n"n": null\nspec:\n  empty: {}\n  list:\n  - a\n  - b: 1\n  none: []\ntext: |\n  one\n  two\n'
    )


@pytest.mark.parametrize(
    "text", ["yes", "1", "", "~", "1e3", ".nan", "0x1F", "2026-07-14", "2026-07-14T11:30:05Z", "12:30:45", "y"]
)
def test_text_that_reads_as_something_else_is_quoted(text):
    assert encode_yaml({"a": text}).decode() == f'a: "{text}"\n'


def test_long_lines_are_not_folded_and_repeats_make_no_alias():
    shared = {"x": "word " * 100}
    assert encode_yaml([shared, shared]).count(b"\n") == 2


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_NUMBER = st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBER | _TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
    max_leaves=10,
)


@given(_JSON)
@example({"<<": {"a": 1}, "": "=", "x": "a: b #c", "y": " lead", "z": "trail ", "t": "\t"})
@example({"a": "line\u2028separated\x85next\r\n"})
@settings(max_examples=300, deadline=None)
def test_what_is_written_reads_back(value):
    assert _numbers_as_text(_value(encode_yaml(value))) == _numbers_as_text(value)


def _numbers_as_text(value):
    """Floats come back as the nearest number, whole ones as integers."""
    if isinstance(value, float) or type(value) is int:
        return float(value)
    if isinstance(value, dict):
        return {key: _numbers_as_text(item) for key, item in value.items()}
    return [_numbers_as_text(item) for item in value] if isinstance(value, list) else value


@given(st.text(alphabet="ab&*<!|>'\"{}[]:,-?#\n 1~%@`\t", max_size=40))
@settings(max_examples=500, deadline=None)
def test_noise_is_read_or_refused(text):
    try:
        value, _ = decode_yaml(text.encode())
    except YamlError:
        return
    assert yaml.dump(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x" + "f" * 16, 2.0**64),
        ("0x" + "f" * 17, "0x" + "f" * 17),
        ("-0x" + "f" * 290, "-0x" + "f" * 290),
        ("0b" + "1" * 65, "0b" + "1" * 65),
        ("1" + "0" * 290, 1e290),
        ("1" + "0" * 310, "1" + "0" * 310),
    ],
)
def test_integers_beyond_64_bits(text, value):
    """Go's ParseInt and ParseUint refuse them; what looks like a decimal float is one then, all else is text."""
    assert decode_yaml(f"a: {text}".encode())[0] == {"a": value}


def test_the_first_of_many_merged_mappings_has_the_last_word():
    sources = ", ".join(f"{{k{n}: {n}, same: {n}}}" for n in range(20_000))
    merged = decode_yaml(f"<<: [{sources}]".encode())[0]
    assert (merged["same"], merged["k19999"], len(merged)) == (0, 19999, 20_001)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_too_many_directives(encoding):
    """The C library compares each with all before it, 20 seconds for 100000 of them, in which nothing else runs."""
    directives = "".join(f"%TAG !a{n}! tag:x\n" for n in range(100_000))
    with pytest.raises(YamlError, match="too many directives"):
        decode_yaml((directives + "---\na: 1\n").encode(encoding))


def test_percent_signs_are_no_directives():
    text = "a: '" + "100%" * 2000 + "'\n" + "b: |\n" + "  %x\n" * 2000
    assert decode_yaml(text.encode())[0] == {"a": "100%" * 2000, "b": "%x\n" * 2000}


def test_not_all_of_many_duplicates_are_listed():
    (problem,) = decode_yaml(b"a: 1\n" * 20_000)[1]
    assert problem.count("already set in map") == 100
