"""`make bench`: starts everything, measures row by row, prints the table and writes it as JSON and as a picture."""

import argparse
import sys
import traceback
from pathlib import Path

from bench import report
from bench.catalogue import ROWS
from bench.options import Options
from bench.plot import svg
from bench.result import Line
from bench.stage import Stage
from tests.e2e.environment.build import say


def _run(options: Options) -> list[Line]:
    lines: list[Line] = []
    with Stage(options) as stage:
        for name in options.rows or ROWS:
            say(f"row {name}")
            try:
                lines += ROWS[name](stage)
            except (OSError, RuntimeError, TimeoutError) as error:
                # A row that cannot run says why, and the others go on.
                traceback.print_exc()
                lines.append(Line(name, "not run", "", note=f"{type(error).__name__}: {error}"))
    return lines


def _options() -> Options:
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pods", type=int, default=default.pods)
    parser.add_argument("--members", type=int, default=default.members, help="fast ones, beside a real one")
    parser.add_argument("--repeat", type=int, default=default.repeat)
    parser.add_argument("--out", type=Path, default=default.out, help="folder of the JSON and the picture")
    parser.add_argument("--rows", default="", help=f"with commas, of: {', '.join(ROWS)}")
    arguments = parser.parse_args()
    rows = tuple(name for name in arguments.rows.split(",") if name)
    if unknown := set(rows) - set(ROWS):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    if arguments.pods < 1000 or arguments.members < 1 or arguments.repeat < 1:
        parser.error("at least 1000 Pods, one member and one repeat are needed")
    return Options(arguments.pods, arguments.members, arguments.repeat, arguments.out, rows)


def main() -> int:
    """Run it."""
    options = _options()
    about = report.conditions(options)
    lines = _run(options)
    options.out.mkdir(parents=True, exist_ok=True)
    base = options.out / f"bench-{options.pods}"
    report.write_json(base.with_suffix(".json"), report.document(options, lines, about))
    title = f"fleetgate beside kube-apiserver (= 1), {options.pods} Pods"
    base.with_suffix(".svg").write_text(svg(lines, title))
    table = "\n".join([*about, "", report.text(lines), ""])
    base.with_suffix(".txt").write_text(table)
    print(table)
    say(f"written: {base}.txt, .json, .svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
