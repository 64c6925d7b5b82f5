"""Builds the programs of the test environment into a cache: `python -m tests.e2e.environment.build`.

Versions and hashes are those of ../goprograms/go.mod and go.sum; a file in the cache is named for them, so that it is
right when it exists. A folder named by KUBEBUILDER_ASSETS is honoured for the programs it holds.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.environment import kwok_source
from tests.e2e.environment.toolchain import go_command

MODULE = Path(__file__).parent.parent / "goprograms"
KUBERNETES = "k8s.io/kubernetes"


@dataclass(frozen=True)
class Program:
    """One program: its name, its Go package, and the module whose version it carries (None: it is ours)."""

    name: str
    package: str
    module: str | None


# In the order in which they are built: the first ones carry the packages that the others share.
PROGRAMS = (
    Program("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    Program("kube-apiserver", f"{KUBERNETES}/cmd/kube-apiserver", KUBERNETES),
    Program("kubectl", f"{KUBERNETES}/cmd/kubectl", KUBERNETES),
    Program("kube-controller-manager", f"{KUBERNETES}/cmd/kube-controller-manager", KUBERNETES),
    Program("kube-scheduler", f"{KUBERNETES}/cmd/kube-scheduler", KUBERNETES),
    Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
    Program("helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4"),
    Program("informer", "./informer", None),
    Program("typedclient", "./typedclient", None),
    Program("controllerruntime", "./controllerruntime", None),
    Program("storm", "./storm", None),
)
FROM_KUBEBUILDER_ASSETS = frozenset({"etcd", "kube-apiserver", "kubectl"})


def cache_folder() -> Path:
    """Where everything that is built or fetched is kept."""
    own = os.environ.get("FLEETGATE_TESTENV_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fleetgate" / "testenv"


def module_versions() -> dict[str, str]:
    """Every module that go.mod requires, with its version."""
    return dict(re.findall(r"^\t(\S+) (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE))


def linker_flags(versions: Mapping[str, str]) -> str:
    """The -ldflags of every build: no symbol table, and the versions that the programs report."""
    kubernetes = versions[KUBERNETES]
    major, minor, _ = kubernetes.removeprefix("v").split(".")
    variables = {
        "k8s.io/component-base/version.gitVersion": kubernetes,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/component-base/version.gitTreeState": "clean",
        "sigs.k8s.io/kwok/pkg/consts.Version": versions["sigs.k8s.io/kwok"],
        "helm.sh/helm/v4/internal/version.version": versions["helm.sh/helm/v4"],
    }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def folder() -> Path:
    """The cache's folder for this platform, go.mod, go.sum and flags."""
    versions = module_versions()
    digest = hashlib.sha256(f"{linker_flags(versions)} {kwok_source.CHANGES}".encode())
    for file in ("go.mod", "go.sum"):
        digest.update((MODULE / file).read_bytes())
    target = f"{platform.system()}-{platform.machine()}".lower()
    return cache_folder() / f"kubernetes-{versions[KUBERNETES]}-{target}-{digest.hexdigest()[:12]}"


def program_path(program: Program) -> Path:
    """Where a program lies, or will lie when it is built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and program.name in FROM_KUBEBUILDER_ASSETS and (Path(assets) / program.name).exists():
        return Path(assets) / program.name
    if program.module is not None:
        return folder() / program.name
    digest = hashlib.sha256()
    for source in sorted(MODULE.rglob("*.go")):
        digest.update(source.read_bytes())
    return folder() / f"{program.name}-{digest.hexdigest()[:12]}"


def missing_programs() -> list[Program]:
    """The programs that have to be built, in their order."""
    return [program for program in PROGRAMS if not program_path(program).exists()]


def built_programs() -> dict[str, Path]:
    """Every program by its name, built first when it is missing.

    Raises:
        subprocess.CalledProcessError: A build has failed; the compiler's words are on standard error.
    """
    if missing_programs():
        cache_folder().mkdir(parents=True, exist_ok=True)
        with lock(cache_folder() / "lock"):
            # Another run may have built them while this one waited for the lock.
            missing = missing_programs()
            say(
                f"{len(missing)} programs to build; all of them take five minutes on two cores, the second time seconds"
            )
            for number, program in enumerate(missing, start=1):
                build(program, f"[{number}/{len(missing)}]")
    return {program.name: program_path(program) for program in PROGRAMS}


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes, saying so when it has to be waited for."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(program: Program, progress: str) -> None:
    """Build one program; its file appears under its name only when it is whole."""
    version = module_versions()[program.module] if program.module else "of this project"
    say(f"{progress} building {program.name} {version}")
    started = time.monotonic()
    go = go_command(cache_folder(), required_go())
    path = program_path(program)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".building-") as unfinished:
        modfile = MODULE / "go.mod"
        if program.module == kwok_source.MODULE:
            modfile = kwok_source.corrected_modfile(go, MODULE, Path(unfinished), go_environment())
        subprocess.run(
            [
                *(go, "build", "-mod=readonly", f"-modfile={modfile}", "-trimpath", "-buildvcs=false"),
                *("-ldflags", linker_flags(module_versions()), "-o", Path(unfinished) / path.name, program.package),
            ],
            check=True,
            cwd=MODULE,
            env=go_environment(),
            stdout=sys.stderr,
        )
        (Path(unfinished) / path.name).rename(path)
    say(f"{progress} built {program.name} in {time.monotonic() - started:.0f} s")


def required_go() -> tuple[int, ...]:
    """The least version of Go that go.mod asks for."""
    line = re.search(r"^go (\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert line is not None
    return tuple(int(part) for part in line[1].split("."))


def go_environment() -> dict[str, str]:
    """The environment of every build: no C compiler is needed, and the surroundings do not change what is built."""
    return os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "", "GOROOT": ""}


def say(line: str) -> None:
    """Write one line of progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Command line: build what is missing, or tell where it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.environment.build", description=main.__doc__)
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--list", action="store_true", help="print name, state and path of every program; build nothing")
    told.add_argument("--print-dir", action="store_true", help="print the folder of the programs; build nothing")
    arguments = parser.parse_args()
    if arguments.print_dir:
        print(folder())
    elif arguments.list:
        for program in PROGRAMS:
            path = program_path(program)
            print(program.name, "ready" if path.exists() else "missing", path, sep="\t")
    else:
        for name, path in built_programs().items():
            print(f"{name}={path}")


if __name__ == "__main__":
    main()
