"""The fault suite: the whole stack under a seeded schedule of faults, and an oracle over it.

Run it: `python -m tests.fault.suite --seed 1 --minutes 25 --report fault-reports`. A seed gives the
same schedule each time; each chapter prints its own before it is run. Each seed leaves a report in
the folder, and one that has a report is not run again, so a long run that broke off goes on.
`--sum` adds the reports up.

What is held stands in oracle.py and parking.py, what is done in schedule.py and faults.py.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from . import chapter
from .report import Report, total
from .schedule import THEMES, THREE

if TYPE_CHECKING:
    from collections.abc import Callable


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(
    seed: int,
    minutes: float,
    themes: tuple[str, ...] = THEMES,
    say: Callable[[str], None] = _say,
    *,
    long: bool = False,
) -> Report:
    """Run chapters until the time is over, each theme in turn; a failure ends it and is kept."""
    began, report, number = time.monotonic(), Report(seeds=[str(seed)]), 0
    end = began + minutes * 60
    while time.monotonic() < end and report.clean:
        theme = themes[(seed + number) % len(themes)]
        folder = Path(tempfile.mkdtemp(prefix=f"leadstream-fault-{seed}-{number}-"))
        try:
            chapter.run(theme, f"{seed}.{number}", folder, report, say, long=long, end=end)
        except Exception as error:
            say(traceback.format_exc())
            report.failures.append(
                f"seed {seed}, chapter {number} ({theme}): {type(error).__name__}: "
                f"{str(error)[:500]}; the home: {folder}"
            )
        number += 1
    report.seconds = time.monotonic() - began
    return report


def _end(*_: object) -> None:
    """End by an exception, so that what was started is ended too."""
    raise KeyboardInterrupt


def main() -> int:
    """Run a seed unless it has a report, then add the reports up."""
    signal.signal(signal.SIGTERM, _end)
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--minutes", type=float, default=25)
    asked.add_argument(
        "--scenario",
        choices=(*THEMES, THREE),
        action="append",
        help="only these chapters; may be repeated",
    )
    asked.add_argument(
        "--long",
        action="store_true",
        help="freezes of 180 s, chains of 100 merges, three brokers too",
    )
    asked.add_argument("--report", type=Path, default=Path("fault-reports"))
    asked.add_argument("--sum", action="store_true", help="only add up what is there")
    options = asked.parse_args()
    wanted = tuple(options.scenario or ((*THEMES, THREE) if options.long else THEMES))
    path = options.report / "-".join(["seed", str(options.seed), *(options.scenario or ())])
    path = path.with_suffix(".json")
    if not options.sum and path.exists():
        _say(f"seed {options.seed} has a report, {path}: delete it to run it again")
    elif not options.sum:
        run(options.seed, options.minutes, wanted, long=options.long).write(path)
    summed = total(options.report)
    _say(summed.line())
    return 0 if summed.clean else 1


if __name__ == "__main__":
    sys.exit(main())
