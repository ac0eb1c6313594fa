"""Errors and signals at the system calls of cgshim: `python -m integration.faults [--all] [--only NAME] [--list]`.

Two calls at a time. Ends with 1 if something did not hold that is not among the known (integration/faults/known.txt).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from integration.faults.campaign import Result, run
from integration.faults.injecting import written
from integration.faults.judging import KINDS
from integration.faults.scenarios import SCENARIOS


def main() -> int:
    """Parse the arguments, run, report."""
    parser = argparse.ArgumentParser(prog="python -m integration.faults", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every fault at every call, not a share of them")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="SCENARIO", help="only this one")
    parser.add_argument("--list", action="store_true", help="name the scenarios and what is looked at")
    parser.add_argument("--fault", type=written, metavar="CALL:error=E:when=N", help="this fault alone, again")
    options = parser.parse_args()
    if options.list:
        print("\n".join([*SCENARIOS, "", *(f"{kind}: {what}" for kind, what in KINDS.items())]))
        return 0
    with tempfile.TemporaryDirectory(prefix="cgshim-faults-") as place:
        names = options.only or list(SCENARIOS)
        result = run(Path(place), names, everything=options.all or bool(options.fault), told=True, one=options.fault)
    report(result)
    return 1 if result.unknown or not result.injected else 0


def report(result: Result) -> None:
    """The sums, and with what it takes to repeat it every violation that is not known."""
    counts = {kind: sum(one.kind == kind for one in result.violations) for kind in KINDS}
    print("; ".join(f"{kind} {count}" for kind, count in counts.items() if count) or "nothing to report")
    for violation in result.unknown:
        print(f"unknown: {violation}")
    print(f"{result.injected} injected, {len(result.violations)} violations, {len(result.unknown)} of them unknown")


if __name__ == "__main__":
    sys.exit(main())
