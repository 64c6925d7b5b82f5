"""Every mistake in a configuration is named with its line."""

from dataclasses import dataclass, field

import pytest

from gateway.config_decoding import ConfigError, decode, decode_file, duration_field


@dataclass(frozen=True)
class Inner:
    max_step: int | None = None
    share: float = 0.5
    wait: float = duration_field(1.0)

    def __post_init__(self):
        if self.share > 1:
            raise ValueError("share must not be above 1")


@dataclass(frozen=True)
class Needed:
    name: str


@dataclass(frozen=True)
class Outer:
    listen: str = "here"
    names: tuple[str, ...] = ()
    enabled: bool = True
    inner: Inner = field(default_factory=Inner)
    needed: Needed | None = None


HEAD = "apiVersion: test/v1\nkind: Test\n"


def read(text: str) -> Outer:
    return decode(HEAD + text, Outer, origin="file.yaml", api_version="test/v1", kind_name="Test")


def test_defaults():
    assert read("") == Outer()


def test_everything():
    got = read(
        "listen: a:1\nnames: [x, y]\nenabled: false\ninner: {maxStep: 3, share: 1, wait: 1m30s}\nneeded: {name: n}\n"
    )
    assert got == Outer("a:1", ("x", "y"), False, Inner(3, 1.0, 90.0), Needed("n"))


def test_null_of_an_optional_field():
    assert read("inner: {maxStep: null}\n").inner.max_step is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lissten: x\n", 'file.yaml:3: unknown field "lissten"; known here: enabled, inner, listen, names, needed'),
        ("listen: x\ninner:\n  max_step: 1\n", 'file.yaml:5: unknown field "inner.max_step"'),
        ("listen: x\nlisten: y\n", 'file.yaml:4: field "listen" is given twice'),
        ("listen: 5\n", 'file.yaml:3: field "listen" must be text; put it in quotes'),
        ("listen: [x]\n", 'file.yaml:3: field "listen" must be a single value'),
        ("names: x\n", 'file.yaml:3: field "names" must be a list'),
        ("enabled: maybe\n", "file.yaml:3: field \"enabled\" must be true or false, not 'maybe'"),
        ("inner: 5\n", "file.yaml:3: inner must be a mapping"),
        ("inner: {maxStep: many}\n", "must be a whole number, not 'many'"),
        ("inner: {maxStep: true}\n", "must be a whole number"),
        ("inner: {wait: 5}\n", 'field "inner.wait" must be a duration such as 90s or 1h30m'),
        ("inner: {share: 2}\n", "inner: share must not be above 1"),
        ("needed: {}\n", "needed lacks name"),
        ("listen: 'x\n", "file.yaml:4: not valid YAML"),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ConfigError) as failure:
        read(text)
    assert message in str(failure.value)


def test_header_is_required():
    for text in ("kind: Test\n", "apiVersion: test/v2\nkind: Test\n", "apiVersion: test/v1\nkind: Other\n"):
        with pytest.raises(ConfigError, match="must be"):
            decode(text, Outer, origin="f", api_version="test/v1", kind_name="Test")
    with pytest.raises(ConfigError, match="expected a Test document"):
        decode("[]", Outer, origin="f", api_version="test/v1", kind_name="Test")


def test_files(tmp_path):
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        decode_file(path, Outer, api_version="test/v1", kind_name="Test")
    path.write_text(HEAD + "listen: x:1\n")
    assert decode_file(path, Outer, api_version="test/v1", kind_name="Test").listen == "x:1"
