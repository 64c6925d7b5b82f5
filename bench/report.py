"""The result of a run: a table for people, JSON for programs."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.interpreter import interpreter
from bench.options import REAL_PODS, Options
from bench.result import Line, Spread

_HEADINGS = ("work", "measure", "unit", "kube-apiserver", "fleetgate", "ratio", "goal", "met")


def text(lines: Sequence[Line]) -> str:
    """The table, then the notes."""
    rows = [_HEADINGS, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    table.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{line.work}, {line.measure}: {line.note}" for line in lines if line.note]
    return "\n".join([*table, "", *notes])


def conditions(options: Options) -> list[str]:
    """Under what the numbers came to be."""
    fakes = options.pods - REAL_PODS
    return [
        f"{options.pods} Pods of 10 KB; {fakes} in {options.members} fast members (a fake that speaks list and watch "
        f"over TLS), {REAL_PODS} in one real kube-apiserver. The comparison is a real kube-apiserver with all of them.",
        "TLS with client certificates, RBAC, audit and metrics on at both; each server on core 0, all else on core 1.",
        f"Medians of {options.repeat} interleaved repeats, in brackets the least and the most. "
        "ratio: how many times better than the kube-apiserver.",
        f"{interpreter()}; {os.cpu_count()} cores, load before the run {os.getloadavg()[0]:.1f}: "
        "what else runs on the machine makes times noisy; CPU and ratios less so.",
    ]


def document(options: Options, lines: Sequence[Line], about: Sequence[str]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "pods": options.pods,
        "members": options.members,
        "repeat": options.repeat,
        "conditions": list(about),
        "lines": [_entry(line) for line in lines],
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write it so that a diff can be read."""
    path.write_text(json.dumps(content, indent=1) + "\n")


def _entry(line: Line) -> dict[str, Any]:
    def numbers(spread: Spread | None) -> dict[str, float] | None:
        return {"median": spread.median, "least": spread.least, "most": spread.most} if spread else None

    return {
        "work": line.work,
        "measure": line.measure,
        "unit": line.unit,
        "kubeApiserver": numbers(line.kube_apiserver),
        "fleetgate": numbers(line.fleetgate),
        "ratio": line.ratio,
        "goal": line.goal.text if line.goal else None,
        "goalRatio": line.goal.at_least if line.goal and line.goal.of_ratio else None,
        "met": line.met,
        "note": line.note,
    }


def _cells(line: Line) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[line.met]
    ratio = f"{line.ratio:.2f} x" if line.ratio is not None else ""
    goal = line.goal.text if line.goal else ""
    return (
        line.work,
        line.measure,
        line.unit,
        _spread(line.kube_apiserver),
        _spread(line.fleetgate),
        ratio,
        goal,
        met,
    )


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.least == spread.most:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.least)}-{number(spread.most)})"


def number(value: float) -> str:
    """With as many digits as say something."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
