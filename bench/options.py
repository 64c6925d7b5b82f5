"""How large a run is, and where it writes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The arguments of a run."""

    pods: int = 10_000
    members: int = 2
    """Fast members; one real kube-apiserver with REAL_PODS of the Pods is a member besides."""
    repeat: int = 5
    out: Path = Path("build/bench")
    rows: tuple[str, ...] = ()
    """Names of the rows to run; empty: all."""


REAL_PODS = 50
"""Pods of the member that is a real kube-apiserver: the first ones."""
