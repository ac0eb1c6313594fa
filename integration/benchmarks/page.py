"""What engines.json says, for people: as text, and in the documents.

`python3 -m integration.benchmarks.page FILE` copies FILE to docs/engines-measured.json and makes of it the table and
the picture in docs/performance.md and the sentence in README.md. Without FILE it takes the copy that is there.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from integration.benchmarks import picture

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "docs" / "engines-measured.json"
TITLE = "Time by the clock, the bare runtime's median as the unit; the line goes from the minimum to p95"
NUMBERS = ("min", "median", "p95")
HEAD = (
    "| command (rounds) | front | clock: minimum | median | p95 | CPU: minimum | median | p95 "
    "| more CPU than bare, median of the rounds |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def text(found: dict[str, Any]) -> str:
    """The results as a table for a terminal, milliseconds."""
    lines = [f"{key}: {value}" for key, value in found["machine"].items()]
    kinds = "".join(f"{kind + ' ' + number:>15}" for kind in ("clock", "CPU") for number in NUMBERS)
    lines += ["", f"{'command':34}{'front':8}{'rounds':>7}{kinds}{'+clock':>9}{'+CPU':>9}"]
    for case, fronts in found["cases"].items():
        for front, cost in fronts.items():
            amounts = "".join(f"{cost[kind][number]:15.1f}" for kind in ("wall_ms", "cpu_ms") for number in NUMBERS)
            extra = f"{cost['extra_wall_ms']['median']:9.1f}{cost['extra_cpu_ms']['median']:9.1f}"
            lines.append(f"{case if front == 'bare' else '':34}{front:8}{cost['rounds']:7}{amounts}{extra}")
    lines += [f"{case}: not measured: {why}" for case, why in found["missing"].items()]
    return "\n".join([*lines, "", sentence(found), "", f"{found['minutes']} minutes"])


def table(found: dict[str, Any]) -> str:
    """The same in Markdown, with the machine above it."""
    machine = found["machine"]
    engines = ", ".join(f"{name} {machine[name]}" for name in ("podman", "dockerd", "containerd") if name in machine)
    where = f"{machine['date'][:10]}, {machine['processor']}, Linux {machine['kernel']}, {machine['system']}"
    lines = [f"{where}; {machine['runtime']}, {machine['python']}; {engines}. Milliseconds."]
    if float(machine["load"]) > 1:
        lines[0] += f" Others used the machine, too (load {machine['load']}): compare within a row only."
    lines += ["", HEAD]
    for case, fronts in found["cases"].items():
        for front, cost in fronts.items():
            cells = [f"{cost[kind][number]:,.0f}" for kind in ("wall_ms", "cpu_ms") for number in NUMBERS]
            name = f"{case} ({cost['rounds']})" if front == "bare" else ""
            extra = "" if front == "bare" else f"{cost['extra_cpu_ms']['median']:+,.0f}"
            lines.append(f"| {' | '.join([name, front, *cells, extra])} |")
    lines += [f"\n{case} was not measured: {why}." for case, why in found["missing"].items()]
    return "\n".join(lines)


def sentence(found: dict[str, Any]) -> str:
    """What README says about cost, in lines of at most 120 characters."""
    parts = []
    for case, fronts in found["cases"].items():
        bare, ours = (fronts[front]["wall_ms"]["median"] / 1000 for front in ("bare", "cgshim"))
        parts.append(f"{case}: {bare:.2f} and {ours:.2f}")
    said = f"Seconds by the clock with runc and with cgshim in front of it, medians: {'; '.join(parts)}."
    if float(found["machine"]["load"]) > 1:
        said += f" Others used the machine, too (load {found['machine']['load']}), so that all of it took longer."
    return textwrap.fill(said, 120, break_on_hyphens=False)


def between(document: str, mark: str, content: str) -> str:
    """The document with `content` between the comments `mark` and `/mark`."""
    pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    if not pattern.search(document):
        raise SystemExit(f"benchmarks: no place for {mark}")
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", document)


def documents(found: dict[str, Any]) -> dict[Path, str]:
    """The files that show these figures, with their new content."""
    performance, readme = ROOT / "docs" / "performance.md", ROOT / "README.md"
    return {
        performance: between(performance.read_text(), "engines", table(found)),
        readme: between(readme.read_text(), "cost", sentence(found)),
        DATA.with_suffix(".svg"): picture.relative(found["cases"], TITLE, "wall_ms"),
    }


def main(arguments: list[str]) -> int:
    """Write the documents."""
    if arguments:
        DATA.write_text(Path(arguments[0]).read_text())
    for path, content in documents(json.loads(DATA.read_text())).items():
        path.write_text(content)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
