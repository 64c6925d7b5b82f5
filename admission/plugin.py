"""The form of a rule and of its verdict. Each file of plugins/ holds one Plugin; plugins/order.py lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from admission.attributes import Attributes
from admission.lookup import ObjectLookup


class Verdict(msgspec.Struct, frozen=True):
    """May this write happen. A verdict that nobody filled in denies.

    `rule` is the stable name that answer, audit and metrics share; `message` says what is refused and what lifts it.
    `warnings` go to the client, `annotations` to the audit event, whichever way it was decided.
    """

    allowed: bool = False
    rule: str = "NotJudged"
    message: str = "no rule has judged this write"
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def allow(cls, *, warnings: tuple[str, ...] = (), annotations: Mapping[str, str] | None = None) -> Verdict:
        """No objection."""
        return cls(allowed=True, rule="", message="", warnings=warnings, annotations=annotations or {})

    @classmethod
    def deny(cls, rule: str, message: str, *, annotations: Mapping[str, str] | None = None) -> Verdict:
        """Refuse in the name of a rule."""
        return cls(allowed=False, rule=rule, message=message, annotations=annotations or {})


class Plugin(Protocol):
    """A validating admission rule. It decides the same for a dry run, and never writes."""

    @property
    def name(self) -> str:
        """The plugin's name, for configuration and logs."""
        ...

    def handles(self, attributes: Attributes) -> bool:
        """Whether the rule could object, judged by the write alone; False spares all reading. When unsure: True."""
        ...

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Judge. Raises ApiError when the store would refuse the write itself, or when it cannot be asked."""
        ...
