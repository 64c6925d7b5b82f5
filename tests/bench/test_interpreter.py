"""How an interpreter was built, as three ways of building one show it."""

import sysconfig

import pytest

from bench.interpreter import interpreter


@pytest.mark.parametrize(
    ("arguments", "schemes", "how"),
    [
        ("'--enable-shared'", ("posix_prefix", "venv"), "without"),
        ("'--enable-optimizations' '--with-lto'", ("posix_prefix", "venv"), "with"),
        ("'--enable-shared' '--prefix=/usr'", ("deb_system", "posix_prefix", "venv"), "with"),
        (None, ("nt", "nt_user"), "without"),
    ],
)
def test_the_build_is_told(monkeypatch: pytest.MonkeyPatch, arguments: str | None, schemes: tuple, how: str) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", {"CONFIG_ARGS": arguments}.get)
    monkeypatch.setattr(sysconfig, "get_scheme_names", lambda: schemes)
    assert interpreter().endswith(f", built {how} profile-guided optimisation")
