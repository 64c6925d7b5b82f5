"""Asks the validating plugins in order, the first denial wins (k8s.io/apiserver `admission/chain.go`)."""

from __future__ import annotations

from collections.abc import Sequence

from admission.attributes import Attributes
from admission.lookup import ObjectLookup
from admission.plugin import Plugin, Verdict


class AdmissionChain:
    """The rules of this gateway. Without state."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)

    def __repr__(self) -> str:
        return f"AdmissionChain({', '.join(plugin.name for plugin in self._plugins)})"

    async def validate(self, attributes: Attributes, lookup: ObjectLookup) -> Verdict:
        """Return the chain's verdict, with the warnings and annotations of every plugin asked. Raises as plugins do."""
        warnings: list[str] = []
        annotations: dict[str, str] = {}
        for plugin in self._plugins:
            if not plugin.handles(attributes):
                continue
            verdict = await plugin.validate(attributes, lookup)
            warnings.extend(verdict.warnings)
            annotations.update(verdict.annotations)
            if not verdict.allowed:
                return Verdict(False, verdict.rule, verdict.message, tuple(warnings), annotations)
        return Verdict.allow(warnings=tuple(warnings), annotations=annotations)
