"""The `audit` section of GatewayConfiguration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What is recorded beside writes, connects and refusals (those always are), and how much is kept."""

    max_file_megabytes: int = 100
    """Megabytes after which a new file is begun, kube-apiserver's usual size."""
    max_files: int = 100
    """Finished files kept beside the current one; the oldest goes first. 10 GB with the default size."""
    recorded_reads: tuple[str, ...] = ("secrets",)
    """Resources whose get, list and watch are recorded: `secrets`, `deployments.apps`, `pods/log`, or `*` for all."""
    request_objects: bool = True
    """Whether the object or patch of a write is kept with its outcome; Secrets and tokens never are."""

    def __post_init__(self) -> None:
        """Refuse numbers without a meaning. Raises ValueError."""
        if self.max_file_megabytes < 1:
            raise ValueError("maxFileMegabytes must be at least 1")
        if self.max_files < 1:
            raise ValueError("maxFiles must be at least 1")
