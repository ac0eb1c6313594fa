"""Measures in a guest that is all cgroup2, where crun works, too: `run.sh --vm`.

QEMU's -icount makes the guest's clock advance by one nanosecond an instruction, the kernel's instructions included. CPU
time there is a number of instructions, in millions where it says milliseconds: the same on a busy machine as on an idle
one, but blind to caches and to what a page fault costs beyond its instructions.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from integration.matrix import boot, matrix

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"


def checkout(destination: Path, userland: Path, scratch: Path) -> None:
    """What the guest runs: the matrix's checkout, these benchmarks, and the compiled programs."""
    below = destination / "integration"
    shutil.copytree(HERE, below / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
    for module in ("bundle.py", "containers.py"):
        shutil.copy(HERE.parent / module, below / module)
    (destination / "programs").mkdir()
    for program in ("spawn", "stand-in"):
        if (scratch / program).exists():
            shutil.copy(scratch / program, destination / "programs" / program)
    matrix.snapshot(destination, userland)  # last: it compiles all of them


def measured(scratch: Path) -> list[dict[str, Any]]:
    """Boot, and the records that the guest wrote."""
    kernel, userland = matrix.fetched("kernel", SUITE), matrix.fetched("userland", SUITE)
    checkout(scratch / "checkout", userland, scratch)
    words = "matrix.name=benchmarks matrix.layout=unified matrix.driver=integration.benchmarks.in_guest"
    machine = boot.Machine(kernel, userland, "1", counted=True)
    ran = boot.boot(machine, scratch / "checkout", scratch / "guest", words)
    results = scratch / "guest/share/results"
    records = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if records[-1:] != [{"kind": "end"}]:
        sys.stderr.write(ran.log.read_text(errors="replace")[-4000:])
        raise SystemExit(f"benchmarks: the guest did not finish {ran.killed}")
    return records


def table(records: list[dict[str, Any]]) -> str:
    """The results for people."""
    guest = records[0]
    lines = [
        f"kernel: {guest['kernel']}",
        f"python: {guest['python']}",
        "unit: a million instructions, of CPU time",
        "",
    ]
    lines.append(f"{'runtime':9}{'case':26}{'front':10}{'rounds':>6}{'median':>9}{'min':>8}{'more':>8}{'ratio':>7}")
    for one in (record for record in records if record["kind"] == "cost"):
        for front, cost in one["fronts"].items():
            first = front == "bare"
            lines.append(
                f"{one['runtime'] if first else '':9}{one['case'] if first else '':26}{front:10}{cost['rounds']:6}"
                f"{cost['cpu_ms']['median']:9.1f}{cost['cpu_ms']['min']:8.1f}{cost['extra_cpu_ms']['median']:8.1f}"
                f"{cost['cpu_ratio']['median']:7.2f}"
            )
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Boot, print, write."""
    parser = argparse.ArgumentParser(description="What cgshim costs beside bare runc and crun, in instructions.")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--vm", action="store_true")
    options = parser.parse_args(arguments)
    records = measured(options.scratch)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "counted.json").write_text(json.dumps(records, indent=2) + "\n")
    text = table(records)
    (options.out / "counted.txt").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
