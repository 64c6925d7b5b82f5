"""The series as one table, how the numbers grow along it, and JSON. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from bench.fleet.figures import Figures
from bench.fleet.size import Size
from bench.report import number as written
from bench.result import Goal

Trials = Mapping[Size, Figures]
Number = Callable[[Figures], float]


@dataclass(frozen=True)
class Column:
    """A number of each trial."""

    heading: str
    unit: str
    number: Number
    grows: bool = False
    """Whether it says something how many times as much it is in a larger fleet."""


COLUMNS = (
    Column("RSS/Pod", "KB", lambda one: one.memory_each / 1e3, grows=True),
    Column("RSS", "MB", lambda one: one.memory / 1e6),
    Column("peak", "KB/Pod", lambda one: one.peak_each / 1e3),
    Column("after", "KB/Pod", lambda one: one.memory_after / one.memory * one.memory_each / 1e3),
    Column("sync", "us/Pod", lambda one: one.sync_cpu_each * 1e6, grows=True),
    Column("settling", "us/Pod", lambda one: one.settling_cpu_each * 1e6),
    Column("LIST", "s/GB", lambda one: one.list_cpu_each_gb, grows=True),
    Column("1st byte", "ms", lambda one: one.list_first_byte * 1e3),
    Column("growth", "MB", lambda one: one.list_growth / 1e6),
    Column("1st Table", "us/row", lambda one: one.first_table_cpu_each * 1e6, grows=True),
    Column("Table", "us/row", lambda one: one.table_cpu_each * 1e6, grows=True),
    Column("growth", "MB", lambda one: one.table_growth / 1e6),
    Column("WatchList", "us/Pod", lambda one: one.watch_list_cpu_each * 1e6, grows=True),
    Column("growth", "MB", lambda one: one.watch_list_growth / 1e6),
    Column("GET", "us CPU", lambda one: one.get_cpu * 1e6, grows=True),
    Column("p50", "ms", lambda one: one.get_p50 * 1e3),
    Column("p99", "ms", lambda one: one.get_p99 * 1e3),
    Column("held sync", "ms", lambda one: one.sync_held * 1e3),
    Column("held", "ms", lambda one: one.held * 1e3),
    Column(">20 ms", "%", lambda one: 100 * one.held_timers / max(1, one.timers)),
    Column("load", "", lambda one: one.load),
)

GOALS: Mapping[str, Goal] = {"hot": Goal("<= 9 KB", at_most=9e3), "cold": Goal("<= 2 KB", at_most=2e3)}
"""Of the RSS for each Pod, by how objects are kept, in fleets that are large."""
LARGE = 200_000

_SPACE = "  "


def text(trials: Trials) -> str:
    """The table, how it grows, and which goals are met."""
    parts = [_table(_headings(COLUMNS), [_cells(size, trials[size]) for size in sorted_sizes(trials)])]
    compared = [column for column in COLUMNS if column.grows]
    if grown := [_grown(first, last, trials, compared) for first, last in steps(trials)]:
        parts.append(_table([("from", ""), ("to", ""), ("kept", ""), *((c.heading, "x") for c in compared)], grown))
    if verdicts := list(_verdicts(trials)):
        parts.append("\n".join(verdicts))
    return "\n\n".join(parts)


def sorted_sizes(sizes: Iterable[Size]) -> list[Size]:
    """By how objects are kept, the uncompressed first, then by Pods and by members."""
    return sorted(sizes, key=lambda size: (-size.megabytes, size.pods, size.members))


def steps(sizes: Iterable[Size]) -> Iterator[tuple[Size, Size]]:
    """What is compared, of sizes that keep their objects alike.

    The fewest Pods with the most; then, where there are as many Pods, the fewest members with the most.
    """
    for _, alike in groupby(sorted_sizes(sizes), key=attrgetter("megabytes")):
        group = list(alike)
        if group[0].pods < group[-1].pods:
            yield group[0], group[-1]
        for _, same in groupby(group, key=attrgetter("pods")):
            fleet = list(same)
            if len(fleet) > 1:
                yield fleet[0], fleet[-1]


def document(trials: Trials, about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, for programs, and for `trials_of`."""
    return {
        **about,
        "trials": [{"size": asdict(size), "figures": asdict(trials[size])} for size in sorted_sizes(trials)],
    }


def trials_of(content: Mapping[str, Any]) -> dict[Size, Figures]:
    """The trials of such a document. Raises KeyError or TypeError for what is none of this version."""
    return {Size(**trial["size"]): Figures(**trial["figures"]) for trial in content["trials"]}


def _headings(columns: Iterable[Column]) -> list[tuple[str, str]]:
    return [("Pods", ""), ("members", ""), ("kept", ""), *((column.heading, column.unit) for column in columns)]


def _cells(size: Size, figures: Figures) -> list[str]:
    return [f"{size.pods}", f"{size.members}", size.kept, *(written(column.number(figures)) for column in COLUMNS)]


def _grown(first: Size, last: Size, trials: Trials, columns: Iterable[Column]) -> list[str]:
    times = (ratio(column.number(trials[last]), column.number(trials[first])) for column in columns)
    return [f"{first.pods} in {first.members}", f"{last.pods} in {last.members}", first.kept, *times]


def ratio(last: float, first: float) -> str:
    """How many times as much, as text; nothing where there is nothing to compare with."""
    return f"{last / first:.2f}" if first > 0 else "-"


def _verdicts(trials: Trials) -> Iterator[str]:
    for size in sorted_sizes(trials):
        goal = GOALS.get(size.kept)
        if goal is not None and goal.at_most is not None and size.pods >= LARGE:
            each = trials[size].memory_each
            met = "met" if each <= goal.at_most else "MISSED"
            yield f"RSS for each of {size.pods} Pods, {size.kept}: {each / 1e3:.2f} KB, goal {goal.text}: {met}"


def _table(headings: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    lines = [[name for name, _ in headings], [unit for _, unit in headings], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    lines.insert(2, ["-" * width for width in widths])
    return "\n".join(_SPACE.join(map(str.rjust, line, widths)) for line in lines)
