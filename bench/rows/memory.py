"""Memory for each Pod that is held."""

from bench.result import Line, Spread, below
from bench.stage import Stage


def for_each_pod(stage: Stage) -> list[Line]:
    """RSS with all Pods less RSS without any, before the first request."""

    def spread(name: str) -> Spread:
        memory = stage.memory[name]
        return Spread.of([(memory.full - memory.empty) / stage.options.pods / 1000])

    note = ", ".join(f"{name} {memory.full / 1e6:.0f} MB in all" for name, memory in stage.memory.items())
    goal = below(9, "KB")
    return [
        Line("memory", "RSS for each Pod", "KB", spread("kube-apiserver"), spread("fleetgate"), goal, note),
        Line("memory", "compressed cold tier", "KB", goal=below(2, "KB"), note="not run: the gateway has none"),
    ]
