"""A server that is measured."""

from dataclasses import dataclass

from bench.client import Endpoint


@dataclass(frozen=True)
class Target:
    """Its process, and the caller's way to it."""

    name: str
    pid: int
    endpoint: Endpoint
