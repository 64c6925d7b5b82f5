"""Hundreds of informers, lists without a pause and churn of every kind, at both servers: who keeps up, who stays right.

Over servers of its own with few Pods: what hundreds of clients read at first is all Pods, hundreds of times.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench.client import Endpoint
from bench.result import Goal, Line, Spread, below
from bench.servers import FastMembers, Gateway, Source
from bench.stage import Stage
from bench.storm.churn import Churn
from bench.storm.fleet import Fleet
from bench.storm.trial import IN_TIME, Phase, Trial
from tests.e2e.environment.build import say

INFORMERS, PODS, MEMBERS, LISTS = 200, 500, 4, 8
RATES = (50, 100, 200, 500)
_SECONDS = 5.0
_COLD_START = 300.0
"""Seconds that all informers may take for their first state."""
_NONE = Goal("none", at_most=0)


@dataclass(frozen=True)
class Outcome:
    """One server in the storm."""

    cold_start: float
    first_reads: dict[str, int]
    phases: Sequence[Phase]

    @property
    def kept_up(self) -> float:
        """The highest rate at which all informers were right soon after the last change."""
        return max((phase.made for phase in self.phases if phase.keeps_up), default=0.0)


def storm(stage: Stage) -> list[Line]:
    """Both servers in turn, over as many Pods, under the same changes."""
    with ExitStack() as stack:
        fast = stack.enter_context(FastMembers(stage.folder / "storm", first=0, end=PODS, members=MEMBERS))
        gateway = stack.enter_context(Gateway(stage.folder / "storm-gateway", fast.kubeconfigs))
        ours = outcome(stage, gateway.target.endpoint, fast, [gateway.process.pid])
    target, source = stage.real.another("storm", PODS)
    theirs = outcome(stage, target.endpoint, source, [target.pid])
    return _lines(theirs, ours)


def outcome(stage: Stage, endpoint: Endpoint, source: Source, pids: Sequence[int]) -> Outcome:
    """Raise the rate until a server does not keep up, then see how it takes the highest."""
    with Fleet(stage.programs["storm"], endpoint, informers=INFORMERS, lists=LISTS, timeout=_COLD_START) as fleet:
        say(f"storm: {INFORMERS} informers in sync after {fleet.cold_start:.1f} s")
        trial = Trial(fleet, Churn(source, PODS), pids)
        phases = []
        for rate in RATES[:-1]:
            phases.append(_phase(trial, rate))
            if not phases[-1].keeps_up:
                break
        phases.append(_phase(trial, RATES[-1]))
        return Outcome(fleet.cold_start, fleet.first_reads, phases)


def _phase(trial: Trial, rate: float) -> Phase:
    phase = trial.phase(rate, _SECONDS)
    say(f"storm at {phase.made:.0f} changes/s: {_end(phase)}")
    return phase


def _lines(theirs: Outcome, ours: Outcome) -> list[Line]:
    work = f"storm, {INFORMERS} informers"
    last = f"{work}, {RATES[-1]}/s"
    kept = _one(theirs.kept_up), _one(ours.kept_up)

    def compared(measure: str, unit: str, number: Callable[[Phase], float | None], goal: Goal | None = None) -> Line:
        return Line(last, measure, unit, _one(number(theirs.phases[-1])), _one(number(ours.phases[-1])), goal)

    return [
        Line(work, "cold start", "s", _one(theirs.cold_start), _one(ours.cold_start), note=_cold(theirs, ours)),
        Line(work, "changes/s, all right in time", "1/s", *kept, note=_story(theirs, ours), more_is_better=True),
        compared("informers not right in a minute", "", lambda phase: len(phase.wrong), _NONE),
        compared("lists wrong in the end", "", lambda phase: len(phase.wrong_lists), _NONE),
        compared("until all were right", "s", lambda phase: phase.settled),
        compared("relists", "", lambda phase: phase.relists),
        compared("event p50", "ms", lambda phase: phase.latency["p50"]),
        compared("event p99", "ms", lambda phase: phase.latency["p99"]),
        Line(last, "lists", "1/s", *_lists(theirs, ours), more_is_better=True, note=_kinds(theirs, ours)),
        compared("list p99", "ms", lambda phase: phase.time("lists", "p99")),
        compared("GET p99", "ms", lambda phase: phase.time("get", "p99")),
        compared("slowest /livez", "ms", lambda phase: phase.time("health", "max"), below(1000, "ms")),
        compared("CPU", "s", lambda phase: phase.cpu),
        compared("peak RSS", "MB", lambda phase: phase.peak / 1e6),
    ]


def _lists(theirs: Outcome, ours: Outcome) -> tuple[Spread | None, Spread | None]:
    rates = [(outcome.phases[-1].time("lists", "count") or 0) / _SECONDS for outcome in (theirs, ours)]
    return _one(rates[0]), _one(rates[1])


def _cold(theirs: Outcome, ours: Outcome) -> str:
    """Requests that informers had to repeat."""
    return "; ".join(
        f"{name}: "
        + (", ".join(f"{count} x {what}" for what, count in outcome.first_reads.items() if what != "events"))
        for name, outcome in _named(theirs, ours)
    )


def _story(theirs: Outcome, ours: Outcome) -> str:
    """In time is said in the line; why it was not, here."""
    parts = [f"all informers right {IN_TIME:g} s after the last change"]
    for name, outcome in _named(theirs, ours):
        parts += [f"{name} at {phase.made:.0f}/s: {_end(phase)}" for phase in outcome.phases]
    return "; ".join(parts)


def _end(phase: Phase) -> str:
    end = f"{len(phase.wrong)} not right" if phase.settled is None else f"after {phase.settled:.1f} s"
    shares = f"core {phase.cpu / phase.wall:.0%}, informers' {phase.client_cpu / phase.wall:.0%}"
    return f"{end}, p99 {phase.latency['p99']:.0f} ms, {phase.relists} relists, {shares}"


def _kinds(theirs: Outcome, ours: Outcome) -> str:
    """How each kind of list went, and what failed, at the highest rate."""
    parts = []
    for name, outcome in _named(theirs, ours):
        phase = outcome.phases[-1]
        times = phase.report["times"]
        kinds = [f"{kind} p50 {one['p50']:.0f} ms" for kind, one in times.items() if "list " in kind]
        failures = [f"{count} x {what}" for what, count in phase.report["failures"].items()]
        parts.append(f"{name}: {', '.join(kinds + failures)}")
    return "; ".join(parts)


def _named(theirs: Outcome, ours: Outcome) -> tuple[tuple[str, Outcome], tuple[str, Outcome]]:
    return ("kube-apiserver", theirs), ("fleetgate", ours)


def _one(value: float | None) -> Spread | None:
    return None if value is None else Spread.of([float(value)])
