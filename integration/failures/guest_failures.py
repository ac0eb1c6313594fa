"""Boots the guests of `integration.failures.guest_rows` and compares what was provoked there with the tables.

`python -m integration.failures.guest_failures [--write] [--rows ROW,...] [--keep FOLDER] [NAME...]`, as root, with
what the matrix needs (integration/matrix/README.md). --write stores what was seen and is right in
tests/failures/recorded-guests.json, for tests that run anywhere; guests and rows that were not asked for stay as they
are. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from integration.failures import guest_oom
from integration.failures.guest_rows import GUESTS, GuestHost
from integration.failures.recording import relevant, shared
from integration.matrix import boot, matrix

HERE = Path(__file__).resolve().parent
FILE = HERE.parents[1] / "tests" / "failures" / "recorded-guests.json"
CHECKOUTS = threading.Lock()
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


def checkout(folder: Path, userland: Path) -> Path:
    """The matrix's checkout, and the modules of integration/ and of this directory; one for each userland."""
    destination = folder / f"checkout-{userland.name}"
    with CHECKOUTS:
        if not destination.exists():
            (destination / "integration" / "failures").mkdir(parents=True)
            for module in (*HERE.parent.glob("*.py"), *HERE.glob("*.py")):
                shutil.copy(module, destination / module.relative_to(HERE.parents[1]))
            matrix.snapshot(destination, userland)  # last: it compiles all of them
    return destination


def booted(guest: GuestHost, folder: Path, rows: str) -> None:
    """Boot the guest and wait for its end. rows: only these, separated by commas; "" is all."""
    packages = (*guest.packages, *(SYSTEMD if guest.systemd else ()))
    kernel, userland = matrix.fetched("kernel", guest.kernel), matrix.fetched("userland", guest.userland, *packages)
    words = f"matrix.name={guest.name} matrix.layout={guest.layout} matrix.driver=integration.failures.guest_provoking"
    words += f" matrix.rows={rows}" if rows else ""
    machine = boot.Machine(kernel, userland, "1", guest.memory or boot.MEMORY)
    ran = boot.boot(
        machine,
        checkout(folder.parent, userland),
        folder / "out",
        f"{words} {BOOTED if guest.systemd else ''} {guest.words}",
    )
    if ran.killed:
        print(f"{guest.name}: {ran.killed}", flush=True)


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
    if one["kind"] == "oom":
        return guest_oom.problem(one)
    return frozen_problem(one) if one["kind"] == "frozen" else ""


def frozen_problem(one: dict[str, Any]) -> str:
    """The bare runtime hangs silently until it is thawed, and cgshim names the frozen cgroup at once."""
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


def judged(guest: GuestHost, folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Boot the guest, or read what an earlier boot left in the folder; returns the result and the time it took."""
    started = time.monotonic()
    if not options.again:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        booted(guest, folder, options.rows)
    records = written(guest, folder)
    wrong = [said for said in map(problem, records) if said]
    counts = f"{sum(map(counted, records))} provoked, {len(wrong)} problems in {time.monotonic() - started:.0f} s"
    print("\n  ".join((f"{guest.name}: {counts}", *wrong)), flush=True)
    return records


def effort(guest: GuestHost) -> int:
    """How much there is to do in it: its cases; one that asks for memory fills it first."""
    return sum(len(row.expect) for row in guest.rows) + 40 * bool(guest.memory)


def counted(one: dict[str, Any]) -> bool:
    """Is this record something that was provoked?"""
    return one["kind"] in ("case", "frozen", "rooted", "oom")


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *(guest.name for guest in GUESTS)])
    parser.add_argument("--write", action="store_true", help="store what was seen for the tests")
    parser.add_argument("--rows", default="", help="only these rows, separated by commas")
    parser.add_argument("--keep", type=Path, help="keep results and logs in this folder")
    parser.add_argument("--again", action="store_true", help="boot nothing, judge what --keep holds")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Two boots at a time, the last line is the sum."""
    options, started = options_of(arguments), time.monotonic()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="cgshim-guests-"))
    chosen = [guest for guest in GUESTS if not options.name or guest.name in options.name]
    chosen.sort(key=effort, reverse=True)  # so that no long one is left for the end
    for stale in [] if options.again else folder.glob("checkout-*"):
        shutil.rmtree(stale)
    with concurrent.futures.ThreadPoolExecutor(matrix.BOOTS) as pool:
        try:
            seen = list(pool.map(lambda guest: judged(guest, folder / guest.name, options), chosen))
        except BaseException:
            boot.STOPPING.set()
            pool.shutdown(cancel_futures=True)
            raise
    if options.write:
        right = [[one for one in records if not problem(one)] for records in seen]
        write({guest.name: stored(guest, records) for guest, records in zip(chosen, right)})
    everything = [one for records in seen for one in records]
    failed = sum(1 for one in everything if problem(one))
    if not options.keep and not failed:
        shutil.rmtree(folder)
    passed = sum(1 for one in everything if counted(one) and not problem(one))
    print(f"{len(chosen)} guests in {time.monotonic() - started:.0f} s\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"guest_failures: {error}")
