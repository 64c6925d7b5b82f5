"""How the work grows with the number of Pods and members: other gateways over other fast members."""

from dataclasses import dataclass
from statistics import median

from bench import corpus, operations
from bench.load import cpu_of_reads
from bench.measure import interleaved
from bench.meter import settled_bytes
from bench.operations import Operation
from bench.result import Goal, Line, Spread
from bench.servers import FastMembers, Gateway
from bench.stage import Stage

_STEADY = Goal("<= 1.33 x", at_most=1.33)


@dataclass(frozen=True)
class Size:
    """What one gateway needs; `memory` is bytes for each Pod."""

    pods: int
    members: int
    memory: float
    list_cpu: float
    list_bytes: int
    get_cpu: float


def growth(stage: Stage) -> list[Line]:
    """From a tenth of the Pods to all, and to ten times the members."""
    pods, members = stage.options.pods, stage.options.members
    small, large, wide = (
        _size(stage, f"growth-{number}", size, count)
        for number, (size, count) in enumerate(((pods // 10, members), (pods, members), (pods, members * 10)))
    )
    return [
        *_step(f"growth, {small.pods} to {large.pods} Pods", small, large),
        *_step(f"growth, {large.members} to {wide.members} members", large, wide),
    ]


def _step(work: str, first: Size, last: Size) -> list[Line]:
    list_cpu = (last.list_cpu / last.list_bytes) / (first.list_cpu / first.list_bytes)
    return [
        Line(work, "LIST CPU for each byte", "x", None, _one(list_cpu), _STEADY),
        Line(work, "GET CPU", "x", None, _one(last.get_cpu / first.get_cpu), _STEADY),
        Line(work, "memory for each Pod", "x", None, _one(last.memory / first.memory), _STEADY),
    ]


def _size(stage: Stage, name: str, pods: int, members: int) -> Size:
    folder, repeat = stage.folder / name, stage.options.repeat
    with (
        FastMembers(folder / "members", first=0, end=pods, members=members) as fast,
        Gateway(folder / "gateway", fast.kubeconfigs) as gateway,
    ):
        memory = (settled_bytes(gateway.process.pid) - gateway.empty.memory) / pods

        def cpu(operation: Operation) -> tuple[float, int]:
            samples = interleaved([gateway.target], operation, repeat)[gateway.target.name]
            return median(one.cpu for one in samples), samples[0].size

        list_cpu, list_bytes = cpu(operations.list_json)
        get_cpu = median(cpu_of_reads(stage.load, gateway.target, corpus.path(pods // 2)) for _ in range(repeat))
        return Size(pods, members, memory, list_cpu, list_bytes, get_cpu)


def _one(value: float) -> Spread:
    return Spread.of([value])
