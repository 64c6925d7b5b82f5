"""Corrects two faults of kwok 0.8.0's exec before it is built.

It never tells a command that its standard input has ended, so `kubectl cp` into a Pod hangs, and it hides a command's
exit code in words. Both are what clients of exec rely on, so a gateway cannot be tested without them. The module is
copied, the lines are changed, and a go.mod of its own puts the copy in the module's place.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

MODULE = "sigs.k8s.io/kwok"
CHANGED_FILE = "pkg/utils/exec/exec.go"
# Each text stands exactly once in the file.
CHANGES = {
    "_, _ = io.Copy(inPipe, opt.In)\n": "_, _ = io.Copy(inPipe, opt.In)\n_ = inPipe.Close()\n",
    "err = cmd.Wait()\n": (
        "err = cmd.Wait()\n"
        "if exited, ok := err.(*exec.ExitError); ok {\n"
        "return nil, &utilexec.ExitErrorWrapper{ExitError: exited}\n"
        "}\n"
    ),
    '"strings"\n': '"strings"\n\nutilexec "k8s.io/utils/exec"\n',
}


def corrected_modfile(go: Path, module: Path, folder: Path, environment: Mapping[str, str]) -> Path:
    """A go.mod beside its go.sum in `folder`, like those of `module` but with the corrected kwok.

    Raises:
        ValueError: The source is not the one that CHANGES were made for.
    """

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [go, *arguments], cwd=module, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()

    run("mod", "download", MODULE)
    source = folder / "kwok-source"
    # The module cache is read-only; a copy of the contents alone is not.
    original = Path(run("list", "-m", "-f", "{{.Dir}}", MODULE))
    for file in original.rglob("*"):
        if file.is_file():
            copy = source / file.relative_to(original)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    text = (source / CHANGED_FILE).read_text()
    for old, new in CHANGES.items():
        if text.count(old) != 1:
            raise ValueError(f"{MODULE}: {CHANGED_FILE} has changed; {old!r} is not there once")
        text = text.replace(old, new)
    (source / CHANGED_FILE).write_text(text)
    modfile = folder / "kwok.mod"
    modfile.write_text((module / "go.mod").read_text() + f"\nreplace {MODULE} => {source}\n")
    shutil.copyfile(module / "go.sum", modfile.with_suffix(".sum"))
    return modfile
