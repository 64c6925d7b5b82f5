"""How a simulated container behaves: nothing is run, its image and command only tell what would become of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.apimachinery.meta import JsonObject

_BRIEF_SECONDS = 1.0
_BATCH_SECONDS = 2.0
_SHELLS = frozenset({"sh", "bash", "ash"})
_BRIEF = frozenset({"cat", "date", "echo", "env", "false", "hostname", "id", "ls", "printenv", "pwd", "true", "whoami"})
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SLEEP = re.compile(r"\bsleep\s+(\d+(?:\.\d+)?)([smhd]?)\b")
_EXIT = re.compile(r"\bexit\s+(\d+)\b")
_FOREVER = re.compile(r"\bwhile\b|\binfinity\b|\btail\s+-[fF]\b")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How long a container runs, None for ever, how it exits, and whether it is ready while it runs."""

    runs_for: float | None = None
    exit_code: int = 0
    ready: bool = True


def behaviour(container: JsonObject, *, batch: bool) -> Behaviour:
    """Return what a container does; `batch` says that it belongs to a Job, whose containers come to an end.

    An image whose name begins with `crash` fails before it is ready. `sleep N`, `exit N` and a few well-known programs
    in the command are understood; everything else is taken for a server, or for work that is done soon where it belongs
    to a Job.
    """
    if image_name(str(container.get("image") or "")).startswith("crash"):
        return Behaviour(_BRIEF_SECONDS, 1, ready=False)
    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    text = " ".join(words)
    if _FOREVER.search(text):
        return Behaviour()
    slept = sum(float(number) * _UNITS[unit] for number, unit in _SLEEP.findall(text))
    named = _EXIT.search(text)
    if named or slept:
        return Behaviour(slept or _BRIEF_SECONDS, int(named.group(1)) & 0xFF if named else 0)
    program = _program(words)
    if program in _BRIEF:
        return Behaviour(_BRIEF_SECONDS, int(program == "false"))
    return Behaviour(_BATCH_SECONDS) if batch else Behaviour()


def image_name(image: str) -> str:
    """Return the last part of an image's name, without registry, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _program(words: Sequence[str]) -> str:
    """Return the name of the program that a command starts, looking through `sh -c`."""
    if words and words[0].rpartition("/")[2] in _SHELLS and "-c" in words[:-1]:
        words = words[words.index("-c") + 1].split()
    return words[0].rpartition("/")[2] if words else ""
