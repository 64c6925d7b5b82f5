from gateway.request import ANONYMOUS_USER, parse_request_info
from gateway.request_scope import WARNING_LIMIT, WARNINGS_LIMIT, RequestScope


def scope() -> RequestScope:
    return RequestScope(parse_request_info("GET", "/version", {}), ANONYMOUS_USER, ANONYMOUS_USER, "id-1")


def test_a_warning_is_given_once() -> None:
    asked = scope()
    asked.warn("careful")
    asked.warn("careful")
    asked.warn("")
    assert asked.warnings == ["careful"]


def test_warnings_are_printable() -> None:
    asked = scope()
    asked.warn("two\r\nlines\x1b[0m")
    assert asked.warnings == ["two  lines [0m"]


def test_when_there_are_many_they_get_short_and_then_end() -> None:
    asked = scope()
    asked.warn("x" * (WARNINGS_LIMIT - WARNING_LIMIT))
    asked.warn("y" * 1000)
    asked.warn("z" * 1000)
    asked.warn("y" * 2000)
    assert [len(text) for text in asked.warnings] == [WARNINGS_LIMIT - WARNING_LIMIT, WARNING_LIMIT]
