"""Fuzzing, driven by coverage: `python -m integration.fuzz [TARGET ...] [--seconds N]`.

Needs atheris (`pip install atheris`), which is no dependency of cgshim's. Each target runs in a process of its own for
its time; an input that fails is written to the directory and named.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from integration.fuzz.targets import LONGEST, SEEDS, TARGETS

NO_ATHERIS = 2


def main() -> int:
    """Run the targets; 0 if none fails, 2 without atheris."""
    parser = argparse.ArgumentParser(prog="python -m integration.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--corpus", type=Path, help="a directory that keeps what was found, for the next time")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        fuzz(options.inside, options.corpus, options.seconds)
        return 0
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris)", file=sys.stderr)
        return NO_ATHERIS
    with tempfile.TemporaryDirectory() as place:
        corpus = options.corpus or Path(place)
        done = [_in_a_process(target, corpus / target, options.seconds) for target in options.targets or TARGETS]
    return max(done)


def _in_a_process(target: str, corpus: Path, seconds: int) -> int:
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        (corpus / f"seed{number}").write_bytes(seed)
    line = [sys.executable, "-m", "integration.fuzz", "--inside", target, "--corpus", str(corpus)]
    done = subprocess.run([*line, "--seconds", str(seconds)], check=False)
    print(f"{target}: {'nothing found' if done.returncode == 0 else 'FAILED'} in {seconds} s")
    return 1 if done.returncode else 0


def fuzz(target: str, corpus: Path, seconds: int) -> None:
    """One target until its time is over. Does not return."""
    atheris: Any = importlib.import_module("atheris")
    atheris.instrument_all()
    arguments = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-max_len={min(LONGEST, 4096)}"]
    atheris.Setup([*arguments, "-timeout=10", f"-artifact_prefix={corpus}/failed-"], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
