from gateway.simulation.member.terminal import LineReader


def test_a_terminal_shows_what_is_typed_and_erases() -> None:
    reader = LineReader(echo=True)
    assert reader.feed("\x7fab") == ("ab", [])
    assert reader.feed("\x7fc\x1b\r") == ("\b \bc\r\n", ["ac"])


def test_control_c_drops_the_line_and_control_d_ends_an_empty_one() -> None:
    reader = LineReader(echo=True)
    assert reader.feed("ab\x04\x03") == ("ab^C\r\n", [""])
    assert not reader.ended
    assert reader.feed("\x04more") == ("", [])
    assert reader.ended


def test_without_a_terminal_lines_are_taken_as_they_are() -> None:
    reader = LineReader(echo=False)
    assert reader.feed("a\x04\nb\tc\nrest") == ("", ["a\x04", "b\tc"])
    assert reader.rest() == "rest"
