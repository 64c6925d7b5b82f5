"""The client with many connections (load/main.go), built once into the cache of the test environment."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.e2e.environment.build import cache_folder, go_environment, lock, required_go
from tests.e2e.environment.toolchain import go_command

_SOURCE = Path(__file__).with_name("load")


def load_program() -> Path:
    """Its path. Raises subprocess.CalledProcessError when the build fails."""
    digest = hashlib.sha256()
    for file in ("go.mod", "main.go"):
        digest.update((_SOURCE / file).read_bytes())
    path = cache_folder() / f"bench-load-{digest.hexdigest()[:12]}"
    if path.exists():
        return path
    cache_folder().mkdir(parents=True, exist_ok=True)
    with lock(cache_folder() / "lock"):
        unfinished = path.with_suffix(".unfinished")
        go = go_command(cache_folder(), required_go())
        command = [str(go), "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", str(unfinished), "."]
        subprocess.run(command, check=True, cwd=_SOURCE, env=go_environment(), stdout=sys.stderr)
        unfinished.rename(path)
    return path
