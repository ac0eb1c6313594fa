"""Boots the guests of `integration.guest_rows` and compares what was provoked there with the tables.

`python -m integration.guest_failures [--write] [--rows ROW,...] [--keep FOLDER] [NAME...]`, as root, with what the
matrix needs (integration/matrix/README.md). --write stores what was seen and is right in
tests/failures/recorded-guests.json, for tests that run anywhere; guests and rows that were not asked for stay as they
are. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from integration.guest_rows import GUESTS, GuestHost
from integration.matrix import boot, matrix
from integration.recording import relevant, shared

HERE = Path(__file__).resolve().parent
FILE = HERE.parent / "tests" / "failures" / "recorded-guests.json"
MOUNTINFO = "/proc/self/mountinfo"
SYSTEMD = ("systemd", "systemd-sysv", "dbus")
BOOTED = "systemd.unit=matrix.service systemd.show_status=0 systemd.log_level=err matrix.pid1=systemd"
FROZEN = (
    "cgshim: an ancestor of the container's cgroup is frozen: {path}; the start would hang without a message"
    " [frozen-ancestor]"
)


ROOTED = (
    "cgshim: cgroupsPath is the root cgroup: crun would kill every process in it when the container ends"
    " [cgroups-path-is-root]"
)


def checkout(destination: Path, userland: Path) -> None:
    """The matrix's checkout, and the modules of this directory."""
    (destination / "integration").mkdir(parents=True)
    for module in HERE.glob("*.py"):
        shutil.copy(module, destination / "integration" / module.name)
    matrix.snapshot(destination, userland)  # last: it compiles all of them


def booted(guest: GuestHost, folder: Path, rows: str) -> list[dict[str, Any]]:
    """What the guest wrote. rows: only these, separated by commas; "" is all."""
    packages = SYSTEMD if guest.systemd else ()
    kernel, userland = matrix.fetched("kernel", guest.kernel), matrix.fetched("userland", guest.userland, *packages)
    checkout(folder / "checkout", userland)
    words = f"matrix.name={guest.name} matrix.layout={guest.layout} matrix.driver=integration.guest_provoking"
    words += f" matrix.rows={rows}" if rows else ""
    machine = boot.Machine(kernel, userland, "1")
    ran = boot.boot(
        machine, folder / "checkout", folder / "out", f"{words} {BOOTED if guest.systemd else ''} {guest.words}"
    )
    if ran.killed:
        print(f"{guest.name}: {ran.killed}", flush=True)
    return written(guest, folder)


def written(guest: GuestHost, folder: Path) -> list[dict[str, Any]]:
    """The records in the folder of a boot."""
    results = folder / "out" / "share" / "results"
    records = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if records[-1:] != [{"kind": "end"}]:
        records.append({"kind": "broken", "name": guest.name, "error": f"it did not finish, see {folder}/out/log"})
    return records


def problem(one: dict[str, Any]) -> str:
    """What is wrong with a record, "" if nothing is."""
    if one["kind"] == "broken":
        return f"{one['name']}: {one['error']}"
    if one["kind"] == "case":
        case, found = one["case"], one["found"]
        evidence = "\n".join(found["evidence"])
        good = found["status"] != 0 and found["code"] == case["code"] and case["evidence"] in evidence
        return "" if good else f"{case['name']}: wanted {case['code']} ({case['evidence']}): {found}\n{case['text']}"
    if one["kind"] == "rooted":
        good = one["status"] == 1 and f' level=error msg="{ROOTED}' in one["text"]
        return "" if good else f"rooted {one['path']!r}: {one}"
    return frozen_problem(one) if one["kind"] == "frozen" else ""


def frozen_problem(one: dict[str, Any]) -> str:
    """The bare runtime hangs without a word until it is thawed, and cgshim says at once what is frozen."""
    directory, _, name = one["switch"].rpartition("/")
    states = ("1",) if name == "cgroup.freeze" else ("FROZEN", "FREEZING")  # the latter while a process enters
    wanted = [f"{one['switch']}: {state}" for state in states]
    _, _, message = one["shim"]["text"].partition(" level=error msg=")  # a text record: there is no --log
    lines = str(json.loads(message or '""')).splitlines()
    good = (
        one["bare"] == {"entered": True, "hangs": True, "before": "", "status": 0}
        and one["shim"]["status"] == 1
        and lines[:1] == [FROZEN.format(path=directory)]
        and any(f"  evidence: {line}" in lines for line in wanted)
        and any(code == "frozen-ancestor" and evidence[0] in wanted for code, evidence in one["foreseen"])
    )
    return "" if good else f"frozen-{one['runtime']}: {one['bare']} {one['shim']} {one['foreseen']}"


def stored(guest: GuestHost, records: list[dict[str, Any]]) -> dict[str, Any]:
    """The guest as it is kept: versions, provoked cases, and what was foreseen of the frozen ancestor."""
    (source,) = (one for one in records if one["kind"] == "guest")
    cases = [{**one["case"], "name": f"{one['case']['name']}@{guest.name}"} for one in records if one["kind"] == "case"]
    silent = [
        {
            "name": f"frozen-ancestor-{one['runtime']}@{guest.name}",
            "code": "frozen-ancestor",
            "evidence": one["foreseen"][0][1][0],
            "context": one["context"],
            "facts": {
                **one["facts"],
                "text": {**one["facts"]["text"], MOUNTINFO: relevant(one["facts"]["text"][MOUNTINFO], "/cgshim-")},
            },
        }
        for one in records
        if one["kind"] == "frozen"
    ]
    return {"source": {key: source[key] for key in ("kernel", "runc", "crun")}, "cases": cases, "silent": silent}


def write(found: dict[str, dict[str, Any]]) -> None:
    """Replace these guests in the file."""
    before = json.loads(FILE.read_text()) if FILE.exists() else {"texts": {}, "guests": {}}
    for name, one in before["guests"].items():
        found[name] = {**one, **found.get(name, {})}
        for kind in ("cases", "silent"):
            seen = {case["name"]: case for case in (*one[kind], *found[name][kind])}
            found[name][kind] = [seen[key] for key in sorted(seen)]
    whole = {guest.name: found[guest.name] for guest in GUESTS if guest.name in found}
    cases = [case for one in whole.values() for case in (*one["cases"], *one["silent"])]
    for case in cases:
        texts = case["facts"]["text"]
        case["facts"]["text"] = {path: before["texts"].get(text, text) for path, text in texts.items()}
    texts = shared(cases)
    FILE.write_text(json.dumps({"texts": texts, "guests": whole}, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    """Boot one guest after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *(guest.name for guest in GUESTS)])
    parser.add_argument("--write", action="store_true", help="store what was seen for the tests")
    parser.add_argument("--rows", default="", help="only these rows, separated by commas")
    parser.add_argument("--keep", type=Path, help="keep results and logs in this folder")
    parser.add_argument("--again", action="store_true", help="boot nothing, judge what --keep holds")
    options = parser.parse_args(arguments)
    passed, found = 0, {}
    problems: list[str] = []
    folder = options.keep or Path(tempfile.mkdtemp(prefix="cgshim-guests-"))
    for guest in GUESTS:
        if options.name and guest.name not in options.name:
            continue
        if options.again:
            records = written(guest, folder / guest.name)
        else:
            shutil.rmtree(folder / guest.name, ignore_errors=True)
            (folder / guest.name).mkdir(parents=True)
            records = booted(guest, folder / guest.name, options.rows)
        wrong = [said for said in map(problem, records) if said]
        counted = [one for one in records if one["kind"] in ("case", "frozen", "rooted")]
        passed, problems = passed + len(counted) - len(wrong), [*problems, *wrong]
        print(f"{guest.name}: {len(counted)} provoked, {len(wrong)} problems", *wrong, sep="\n  ", flush=True)
        if options.write:
            found[guest.name] = stored(guest, [one for one in records if not problem(one)])
    if found:
        write(found)
    if not options.keep and not problems:
        shutil.rmtree(folder)
    print(f"{max(passed, 0)} passed, {len(problems)} failed")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"guest_failures: {error}")
