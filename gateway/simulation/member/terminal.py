"""Lines typed into a terminal: what is shown while they are typed, and what they are in the end. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

_END = "\x04"
_INTERRUPT = "\x03"
_ERASE = frozenset({"\x7f", "\b"})
_ENTER = frozenset({"\r", "\n"})


@dataclass(slots=True)
class LineReader:
    """Collects input to lines. With `echo` it behaves as a terminal does: shows what is typed, erases, ends at ^D."""

    echo: bool
    ended: bool = False
    _line: list[str] = field(default_factory=list)

    def feed(self, text: str) -> tuple[str, list[str]]:
        """Take input and return what to show of it and the lines it completes."""
        shown: list[str] = []
        lines: list[str] = []
        for character in text:
            if character in _ENTER:
                lines.append("".join(self._line))
                self._line.clear()
                shown.append("\r\n")
            elif not self.echo:
                self._line.append(character)
            elif character == _END and not self._line:
                self.ended = True
                break
            elif character == _INTERRUPT:
                self._line.clear()
                lines.append("")
                shown.append("^C\r\n")
            elif character in _ERASE:
                if self._line:
                    self._line.pop()
                    shown.append("\b \b")
            elif character.isprintable():
                self._line.append(character)
                shown.append(character)
        return "".join(shown) if self.echo else "", lines

    def rest(self) -> str:
        """Return the line that was begun when the input ended."""
        return "".join(self._line)
