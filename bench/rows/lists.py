"""LIST of all Pods: JSON, gzip, Table, WatchList, and selectors that match 1 %."""

from dataclasses import replace
from statistics import median

from bench import operations
from bench.client import Answer, Connection
from bench.measure import Sample, compared, interleaved, times
from bench.result import Goal, Line, Spread, below, faster
from bench.stage import Stage

_MEGABYTE = 1e6


def json_plain(stage: Stage) -> list[Line]:
    """Also beside `sendall` of as many bytes."""
    samples = interleaved(stage.targets, operations.list_json, stage.options.repeat)
    work = "LIST JSON"
    first_byte = compared(samples, work, "first byte", "ms", lambda one: one.first_byte * 1e3, below(20, "ms"))
    return [*times(samples, work, faster(12)), first_byte, *_memory(samples, work), _beside_sendall(stage, samples)]


def json_gzip(stage: Stage) -> list[Line]:
    """Accept-Encoding: gzip, as client-go sends it."""
    return _list(stage, "LIST gzip", operations.list_gzip, faster(12))


def table(stage: Stage) -> list[Line]:
    """As kubectl asks."""
    return _list(stage, "LIST Table", operations.list_table, faster(25))


def watch_list(stage: Stage) -> list[Line]:
    """The first read of an informer."""
    return _list(stage, "WatchList", operations.watch_list, faster(20))


def label_selector(stage: Stage) -> list[Line]:
    """1 % by label."""
    return _selected(stage, "LIST label 1%", operations.by_label)


def field_selector(stage: Stage) -> list[Line]:
    """1 % by spec.nodeName."""
    return _selected(stage, "LIST field 1%", operations.by_field)


def _list(stage: Stage, work: str, operation: operations.Operation, goal: Goal) -> list[Line]:
    samples = interleaved(stage.targets, operation, stage.options.repeat)
    return [*times(samples, work, goal), *_memory(samples, work)]


def _selected(stage: Stage, work: str, operation: operations.Operation) -> list[Line]:
    """What one list of those in a row takes."""
    count = operations.SELECTED
    samples = {
        name: [replace(one, wall=one.wall / count, cpu=one.cpu / count, size=one.size // count) for one in taken]
        for name, taken in interleaved(stage.targets, operation, stage.options.repeat).items()
    }
    return [*times(samples, work, faster(20)), *_memory(samples, work)]


def _memory(samples: dict[str, list[Sample]], work: str) -> list[Line]:
    goal = below(10, "MB") if work == "LIST JSON" else None
    return [compared(samples, work, "memory growth", "MB", lambda one: one.growth / _MEGABYTE, goal)]


def _beside_sendall(stage: Stage, samples: dict[str, list[Sample]]) -> Line:
    size = samples["fleetgate"][0].size

    def raw(connection: Connection) -> Answer:
        return connection.get(f"/{size}")

    limits = interleaved([stage.raw.target], raw, stage.options.repeat)[stage.raw.target.name]
    limit = median(one.cpu for one in limits)
    shares = [one.cpu / limit for one in samples["fleetgate"]]
    note = f"CPU; sendall of {size / _MEGABYTE:.1f} MB: {limit * 1e3:.1f} ms"
    return Line("LIST JSON", "times raw TLS sendall", "x", None, Spread.of(shares), below(1.5, "x"), note)
