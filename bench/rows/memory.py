"""Memory for each Pod that is held."""

from bench.meter import settled_bytes
from bench.options import REAL_PODS
from bench.result import Line, Spread, below
from bench.servers import Gateway
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
        _compressed(stage),
    ]


def _compressed(stage: Stage) -> Line:
    """The same of a gateway of its own over the fast members, which compresses all of their Pods."""
    pods = stage.options.pods - REAL_PODS
    with Gateway(stage.folder / "compressed", stage.fast.kubeconfigs, uncompressed=0) as gateway:
        memory = settled_bytes(gateway.process.pid) - gateway.empty.memory
    note = f"{memory / 1e6:.0f} MB for {pods} Pods, all compressed"
    return Line("memory", "compressed cold tier", "KB", None, Spread.of([memory / pods / 1000]), below(2, "KB"), note)
