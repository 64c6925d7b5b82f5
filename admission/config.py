"""The `admission` section of GatewayConfiguration: which rules guard writes, and how strictly.

Frozen records; gateway/config.py decodes them from YAML. Each checks itself, so a wrong number never reaches a plugin.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeleteProtectionConfig:
    """Protection of objects by label against deletion."""

    enabled: bool = True
    """Off, labels protect nothing and namespaces are deleted whatever they hold."""


@dataclass(frozen=True, slots=True)
class ScaleDownPolicy:
    """How far one write may scale a workload down. An annotation on the live object lifts all of it for that object."""

    enabled: bool = True
    floor: int = 1
    """Replicas below which nothing is scaled down; 1 forbids scaling to zero, 0 allows it."""
    max_step_percent: int = 50
    """Largest share of the replicas that one write may take away; 100 allows any step."""
    percent_from: int = 4
    """Replicas from which the percentage counts: of three, one step to one is not yet a catastrophe."""
    max_step: int | None = None
    """Most replicas that one write may take away; None sets no such limit."""

    def __post_init__(self) -> None:
        """Refuse numbers without a meaning. Raises ValueError."""
        if self.floor < 0:
            raise ValueError("floor must not be negative")
        if not 0 <= self.max_step_percent <= 100:
            raise ValueError("maxStepPercent must be between 0 and 100")
        if self.percent_from < 0:
            raise ValueError("percentFrom must not be negative")
        if self.max_step is not None and self.max_step < 0:
            raise ValueError("maxStep must not be negative")


@dataclass(frozen=True, slots=True)
class AdmissionConfig:
    """All rules."""

    delete_protection: DeleteProtectionConfig = field(default_factory=DeleteProtectionConfig)
    scale_down: ScaleDownPolicy = field(default_factory=ScaleDownPolicy)
