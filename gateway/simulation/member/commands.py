"""The few commands that a simulated container answers, so that `kubectl exec` can be tried. Pure.

Nothing is run: each command is a function of the Pod's own object. What is not known here is refused as a shell refuses
what it does not find.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.apimachinery import meta
from gateway.apimachinery.meta import JsonObject, field

SHELLS = frozenset({"sh", "bash", "ash", "/bin/sh", "/bin/bash", "/bin/ash"})

_NOT_FOUND = 127
_ROOT = ("bin", "dev", "etc", "home", "lib", "proc", "root", "sys", "tmp", "usr", "var")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_UNSUPPORTED = re.compile(r"[|<>`&]|\$\(")
_SEPARATORS = re.compile(r"(&&|;|\n)\s*")


@dataclass(frozen=True, slots=True)
class Output:
    """What a command wrote, and how it ended. `ends` says that it ends the shell it was typed into."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command can see: its environment and the time."""

    environment: Mapping[str, str]
    now: float


def surroundings(pod: JsonObject, container: JsonObject, cluster: str, now: float) -> Surroundings:
    """Return what commands in a container see; values from Secrets, ConfigMaps and fields are not resolved."""
    given = {
        str(each["name"]): str(each["value"])
        for each in container.get("env") or []
        if isinstance(each, dict) and "name" in each and "value" in each
    }
    own = {
        "HOSTNAME": meta.name(pod),
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "POD_IP": str(field(pod, "status", "podIP") or ""),
        "NODE_NAME": str(field(pod, "spec", "nodeName") or ""),
        "FLEETGATE_CLUSTER": cluster,
    }
    return Surroundings({**own, **given}, now)


def run_command(words: Sequence[str], around: Surroundings) -> Output:
    """Answer a command that was given as separate words, as `kubectl exec` gives it."""
    if not words:
        return Output()
    if words[0] in SHELLS:
        if "-c" in words[:-1]:
            return run_line(words[words.index("-c") + 1], around)
        return Output(stderr="a simulated shell reads commands from its input or after -c only\n", exit_code=2)
    return _run(words, around)


def run_line(line: str, around: Surroundings) -> Output:
    """Answer a line of a shell: simple commands joined by `;` and `&&`, with variables."""
    stdout = stderr = ""
    code, separator = 0, ";"
    parts = ["", *_SEPARATORS.split(line.strip())]
    for separator, text in zip(parts[::2], parts[1::2], strict=True):
        if not text or (separator == "&&" and code):
            continue
        output = _run_simple(text.rstrip(), around)
        stdout, stderr, code = stdout + output.stdout, stderr + output.stderr, output.exit_code
        if output.ends:
            return Output(stdout, stderr, code, ends=True)
    return Output(stdout, stderr, code)


def _run_simple(text: str, around: Surroundings) -> Output:
    if _UNSUPPORTED.search(text):
        message = "sh: a simulated shell knows simple commands only, no pipes, redirections or substitutions\n"
        return Output(stderr=message, exit_code=2)
    resolved = _VARIABLE.sub(lambda found: around.environment.get(found[1] or found[2], ""), text)
    try:
        words = shlex.split(resolved)
    except ValueError:
        return Output(stderr="sh: syntax error: unterminated quoted string\n", exit_code=2)
    return _run(words, around) if words else Output()


def _run(words: Sequence[str], around: Surroundings) -> Output:
    name = words[0].rpartition("/")[2]
    command = _COMMANDS.get(name)
    if command is None:
        known = " ".join(sorted(_COMMANDS))
        text = f"{words[0]}: not found; this container is simulated, nothing is run in it, and it knows only: {known}\n"
        return Output(stderr=text, exit_code=_NOT_FOUND)
    return command(words[1:], around)


def _echo(arguments: Sequence[str], _: Surroundings) -> Output:
    if arguments[:1] == ["-n"]:
        return Output(" ".join(arguments[1:]))
    return Output(" ".join(arguments) + "\n")


def _env(_: Sequence[str], around: Surroundings) -> Output:
    return Output("".join(f"{name}={value}\n" for name, value in around.environment.items()))


def _printenv(arguments: Sequence[str], around: Surroundings) -> Output:
    if not arguments:
        return _env(arguments, around)
    values = [around.environment[name] for name in arguments if name in around.environment]
    return Output("".join(f"{value}\n" for value in values), exit_code=int(len(values) < len(arguments)))


def _cat(arguments: Sequence[str], around: Surroundings) -> Output:
    files = {
        "/etc/hostname": around.environment["HOSTNAME"],
        "/etc/os-release": 'NAME="simulated"\nPRETTY_NAME="simulated by fleetgate"',
    }
    missing = [name for name in arguments if name not in files]
    stdout = "".join(f"{files[name]}\n" for name in arguments if name in files)
    stderr = "".join(f"cat: can't open '{name}': No such file or directory\n" for name in missing)
    return Output(stdout, stderr, int(bool(missing)))


def _ls(arguments: Sequence[str], _: Surroundings) -> Output:
    paths = [argument for argument in arguments if not argument.startswith("-")]
    missing = [path for path in paths if path.strip("/") and path.strip("/") not in _ROOT]
    stdout = "".join(f"{name}\n" for name in _ROOT) if not paths or "/" in paths else ""
    stderr = "".join(f"ls: {path}: No such file or directory\n" for path in missing)
    return Output(stdout, stderr, int(bool(missing)))


def _exit(arguments: Sequence[str], _: Surroundings) -> Output:
    return Output(exit_code=int(arguments[0]) & 0xFF if arguments and arguments[0].isdecimal() else 0, ends=True)


def _date(_: Sequence[str], around: Surroundings) -> Output:
    return Output(f"{datetime.fromtimestamp(around.now, UTC):%a %b %e %H:%M:%S UTC %Y}\n")


def _constant(text: str = "", exit_code: int = 0) -> Callable[[Sequence[str], Surroundings], Output]:
    return lambda _arguments, _around: Output(text, exit_code=exit_code)


_COMMANDS: Mapping[str, Callable[[Sequence[str], Surroundings], Output]] = {
    "cat": _cat,
    "date": _date,
    "echo": _echo,
    "env": _env,
    "exit": _exit,
    "false": _constant(exit_code=1),
    "hostname": lambda _arguments, around: Output(f"{around.environment['HOSTNAME']}\n"),
    "id": _constant("uid=0(root) gid=0(root)\n"),
    "ls": _ls,
    "printenv": _printenv,
    "pwd": _constant("/\n"),
    "true": _constant(),
    "uname": _constant("Linux\n"),
    "whoami": _constant("root\n"),
}
