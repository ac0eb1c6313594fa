"""All benchmarks in one run: `run.sh` is the front door."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from integration.benchmarks import containers_made as made
from integration.benchmarks import detection, picture
from integration.benchmarks.costs import Spawner, interleaved, summary
from integration.containers import find_runtime

if TYPE_CHECKING:
    from integration.bundle import Bundle

SHARES = {
    "pass-through": 1.0,
    "create": 2.0,
    "create, 1 MB": 2.0,
    "alone": 1.0,
    "whole life": 2.5,
    "run of true": 1.0,
    "update": 1.0,
}
MOUNTS, CGROUPS, MANY = (10, 1000, 10_000), (10, 1000, 5000), (1, 4, 16, 64)


def machine(runtime: str) -> dict[str, Any]:
    """What the figures depend on: processor, kernel, versions, load."""
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in cpus if line.startswith("model name")]
    release = Path("/etc/os-release").read_text().splitlines()
    systems = [line.partition("=")[2].strip('"') for line in release if line.startswith("PRETTY_NAME=")]
    return {
        "date": dt.datetime.now(dt.timezone.utc).isoformat(timespec="minutes"),
        "processor": f"{len(models)} x {models[0] if models else platform.machine()}",
        "kernel": platform.release(),
        "system": "".join(systems),
        "runtime": _first_line(runtime, "--version"),
        "python": _first_line("/usr/bin/python3", "-V"),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def _first_line(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def container_cases(place: made.Place, unit: float, least: int) -> dict[str, Any]:
    """Every case that starts containers; `unit` is the time for a case of share 1, in seconds."""
    plain = place.bundle("plain", resources=made.PLAIN)
    edits = place.bundle("edits", resources=made.EDITED)
    names, rules = (_with_profile(place, rules) for rules in (False, True))
    indented = place.bundle("indented")
    indented.config_path.write_text(json.dumps(json.loads(names.config_path.read_text()), indent="\t"))
    profiles = {"none": plain, "one rule": names, "many rules": rules, "indented": indented}
    running = place.name()
    place.spawner.cost(place.argv("bare", "create", "--bundle", str(plain.path), running))
    place.spawner.cost(place.argv("bare", "start", running))
    cases = {
        "--version": ("pass-through", made.passed_through(place, "--version")),
        "state": ("pass-through", made.passed_through(place, "state", running)),
        "kill": ("pass-through", made.passed_through(place, "kill", running, "URG")),
        "exec true": ("pass-through", made.passed_through(place, "exec", running, "/bin/true")),
        "create, nothing to edit": ("create", made.created(place, plain)),
        "create, with edits": ("create", made.created(place, edits, plain)),
        "create, 1 MB seccomp": ("create, 1 MB", made.created(place, rules)),
        "alone: nothing to edit": ("alone", made.alone(place, plain)),
        "alone: with edits": ("alone", made.alone(place, edits, plain)),
        "alone: 1 MB seccomp, one rule": ("alone", made.alone(place, names)),
        "alone: 1 MB seccomp, many rules": ("alone", made.alone(place, rules)),
        "cgshim alone, 1 MB of seccomp": ("alone", made.side_by_side(place, profiles)),
        "whole life": ("whole life", made.lived(place, plain)),
        "run of true": ("run of true", _true(place)),
        "update": ("update", made.updated(place, running)),
    }
    found = {}
    try:
        for name, (share, variants) in cases.items():
            print(f"  {name}", file=sys.stderr, flush=True)
            found[name] = summary(interleaved(variants, unit * SHARES[share], least), next(iter(variants)))
    finally:
        place.delete(running)
    return found


def _with_profile(place: made.Place, rules: bool) -> Bundle:
    seccomp = made.profile(1_000_000, rules)
    return place.bundle(f"seccomp-{rules}", resources=made.PLAIN, linux={"seccomp": seccomp})


def _true(place: made.Place) -> made.Timed:
    return made.ran(place, place.bundle("true", resources=made.PLAIN, args=["/bin/true"]))


def many_cases(place: made.Place, least: int, most: int) -> dict[str, Any]:
    """Creates at the same time."""
    bundle = place.bundle("many", resources=made.PLAIN)
    found = {}
    for many in (number for number in MANY if number <= most):
        print(f"  {many} at once", file=sys.stderr, flush=True)
        variants = {k: v for k, v in made.at_once(place, bundle, many).items() if k not in ("sh", "python")}
        found[str(many)] = summary(interleaved(variants, 0, least), "bare")
    return found


def detection_cases(quick: bool) -> dict[str, Any]:
    """Detection alone, with growing numbers."""
    print("  detection", file=sys.stderr, flush=True)
    return {
        "mounts": {str(count): detection.with_mounts(count) for count in MOUNTS[: 2 if quick else 3]},
        "cgroups": {str(count): detection.with_cgroups(count) for count in CGROUPS[: 2 if quick else 3]},
    }


def table(found: dict[str, Any]) -> str:
    """The results for people."""
    lines = [f"{key}: {value}" for key, value in found["machine"].items()]
    head = f"{'case':34}{'front':10}{'rounds':>6}{'CPU ms':>9}{'min':>8}{'p95':>8}{'+CPU':>8}{'+min':>7}{'ratio':>7}"
    lines += ["", head + f"{'clock ms':>10}{'+clock':>8}{'ratio':>7}{'MiB':>7}"]
    for case, fronts in {**found["cases"], **{f"{n} creates at once": c for n, c in found["many"].items()}}.items():
        for number, (front, cost) in enumerate(fronts.items()):
            cpu, wall = cost["cpu_ms"], cost["wall_ms"]
            lines.append(
                f"{'' if number else case:34}{front:10}{cost['rounds']:6}{cpu['median']:9.2f}{cpu['min']:8.2f}"
                f"{cpu['p95']:8.2f}{cost['extra_cpu_ms']['median']:8.2f}{cost['extra_cpu_of_minima_ms']:7.2f}"
                f"{cost['cpu_ratio']['median']:7.2f}{wall['median']:10.2f}{cost['extra_wall_ms']['median']:8.2f}"
                f"{cost['wall_ratio']['median']:7.2f}{cost['peak_mib']:7.1f}"
            )
    lines += ["", "detection alone"]
    for kind, counts in found["detection"].items():
        for count, cost in counts.items():
            lines.append(f"  {count:>6} {kind:8} {cost['ms']:7.3f} ms  {cost['system_calls']} system calls")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="What cgshim costs beside the bare runtime.")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="less than a minute instead of five")
    parser.add_argument("--out", type=Path, default=Path("benchmark-results"))
    parser.add_argument("--runtime", default=find_runtime("runc"))
    parser.add_argument("--no-stand-in", action="store_true")
    parser.add_argument("--peer", type=Path, help="a real wrapper that finds runc in PATH, to be measured beside it")
    options = parser.parse_args(arguments)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "CGSHIM_RUNTIME": options.runtime}
    environment |= {"STAND_IN_RUNTIME": options.runtime, "CGSHIM_CONFIG": str(options.scratch / "settings.json")}
    spawner = Spawner(str(options.scratch / "spawn"), environment).of(options.runtime)
    wrappers = {"compiled": options.scratch / "stand-in", "peer": options.peer}
    others = {front: str(program) for front, program in wrappers.items() if program and program.exists()}
    place = made.Place(options.scratch, spawner, options.runtime, others)
    least = 2 if options.quick else 8
    found: dict[str, Any] = {"machine": machine(options.runtime)}
    if "peer" in others:
        found["machine"]["peer"] = f"{options.peer.name}: {_first_line(others['peer'], '--version')}"
    try:
        found["cases"] = container_cases(place, 0.3 if options.quick else 9.0, least)
        found["many"] = many_cases(place, 1 if options.quick else 2, 4 if options.quick else 64)
    finally:
        place.clear()
    found["detection"] = detection_cases(options.quick)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(found, indent=2) + "\n")
    (options.out / "results.svg").write_text(picture.svg(found["cases"], picture.TITLE))
    text = table(found)
    (options.out / "results.txt").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
