"""Runs the matrix: `run.sh [PROFILE...] [--all] [--write] [--capture] [--results FOLDER]`."""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from integration.matrix import boot, drawn, judge, measured, page, profiles, trees

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = profiles.HERE.parents[1]
KNOWN = judge.Known((profiles.HERE / "known.txt").read_text(encoding="utf-8"))
BOOTS = 2  # at a time; more only slow each other down
SEED = 20240  # the same objects in every run, so that no run fails by chance
MOST_SEEDS = 1 << 31
TICK = 20  # seconds between two lines of progress


class Run:
    """One profile on its way: what it wrote so far, and how it ended."""

    def __init__(self, profile: profiles.Profile, out: pathlib.Path, seed: int = 0) -> None:
        self.profile = profile
        self.seed = seed  # of the random resources objects
        self.out = out
        self.started = 0.0
        self.guest: boot.Guest | None = None
        self.verdicts: list[judge.Verdict] = []
        self.host = judge.Host([])
        self.problems: list[str] = []

    def records(self) -> list[dict[str, Any]]:
        """The results so far; the last line may still be incomplete."""
        results = self.out / "share/results"
        found = []
        for line in results.read_text().splitlines() if results.exists() else ():
            try:
                found.append(json.loads(line))
            except ValueError:
                break
        return found

    def judge(self) -> None:
        """What the results mean; a guest that did not come to its end is a problem of its own."""
        records = self.records()
        self.host, self.verdicts = judge.verdicts(records, self.profile.shape)
        self.problems = judge.broken_promises(self.profile.name, self.host, self.verdicts, KNOWN)
        self.problems += measured.problems(records)
        self.problems += drawn.problems(records)
        if self.guest is None or self.guest.status != 0 or not judge.first(records, "end"):
            ending = self.guest.killed if self.guest else "never started"
            self.problems.insert(0, f"the guest did not finish: {ending or 'see its log'}")

    def passed(self) -> int:
        """Cases through cgshim, and facts of detection, that hold."""
        through = [v for v in self.verdicts if v.through == "cgshim" and v.outcome != judge.ABSENT]
        checks = len(through) + len(self.host.detected.get("placements", ())) + drawn.count(self.records())
        return max(checks - len(self.problems), 0)

    def skipped(self) -> int:
        """Cases of a runtime that starts nothing on this host."""
        return sum(v.through == "cgshim" and v.outcome == judge.ABSENT for v in self.verdicts)


def fetched(*words: str) -> pathlib.Path:
    """A folder from the cache, downloaded if need be."""
    done = subprocess.run([str(profiles.HERE / "fetch"), *words], stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def fetch_all(chosen: list[profiles.Profile], folder: pathlib.Path, started: float) -> None:
    """Everything that the chosen profiles need, two downloads at a time, and the checkout for each userland."""
    kernels = {("kernel", profile.kernel) for profile in chosen}
    wanted = sorted(kernels | {("userland", profile.userland, *profile.packages) for profile in chosen})
    beside = {profile.userland: profile.beside for profile in chosen if profile.beside}
    with concurrent.futures.ThreadPoolExecutor(BOOTS) as pool:
        for words, path in zip(wanted, pool.map(lambda words: fetched(*words), wanted)):
            say(f"{' '.join(words)}: {path.name}", started)
            if words[0] == "userland":
                more = [fetched("package", words[1], name) for name in beside.get(words[1], ())]
                # Byte code is the same on all architectures, and nothing of another one's userland runs here.
                suite, _, foreign = words[1].partition("/")
                snapshot(folder / f"checkout-{path.name}", fetched("userland", suite) if foreign else path, more)


def say(text: str, started: float) -> None:
    """One line of progress, with the time since `started`."""
    print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)


def snapshot(destination: pathlib.Path, userland: pathlib.Path, beside: Sequence[pathlib.Path] = ()) -> None:
    """The parts of the checkout that guests use, as they are now, with the byte code of that userland's Python and the
    file of shim/start/archive.py, and unpacked packages `beside` it.

    An installation has both, too; without them every call in a slow guest would pay for compiling and for importing.
    """
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for package in ("shim", "hooks"):
        shutil.copytree(CHECKOUT / package, destination / package, ignore=ignore)
    shutil.copytree(profiles.HERE / "guest", destination / "integration/matrix/guest", ignore=ignore)
    for unpacked in beside:
        shutil.copytree(unpacked / "usr/lib/python3", destination / "packages", dirs_exist_ok=True)
    compiling = "cd /mnt && python3 -m compileall -q . && python3 -m shim.start.archive_file"
    inside = f'mount --bind "{destination}" "{userland}/mnt" && chroot "{userland}" sh -c "{compiling}"'
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside], check=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )


def run_one(run: Run, folder: pathlib.Path) -> None:
    """Boot one profile."""
    run.started = time.monotonic()
    profile = run.profile
    kernel, userland = fetched("kernel", profile.kernel), fetched("userland", profile.userland, *profile.packages)
    machine = boot.Machine(kernel, userland, profile.cpus, architecture=profile.architecture)
    checkout = folder / f"checkout-{userland.name}"
    run.guest = boot.boot(machine, checkout, run.out, profile.kernel_arguments(run.seed))


def run_all(runs: list[Run], folder: pathlib.Path, started: float) -> None:
    """Two boots at a time, with a line of progress every TICK seconds."""
    done = threading.Event()

    def progress() -> None:
        while not done.wait(TICK):
            for run in runs:
                if run.started and run.guest is None:
                    seconds = time.monotonic() - run.started
                    say(f"{run.profile.name}: {len(run.records())} results after {seconds:.0f} s", started)

    threading.Thread(target=progress, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(BOOTS) as pool:
        waiting = {pool.submit(run_one, run, folder): run for run in runs}
        try:
            for future in concurrent.futures.as_completed(waiting):
                future.result()
                ended(waiting[future], started)
        except BaseException:
            boot.STOPPING.set()
            pool.shutdown(cancel_futures=True)
            raise
    done.set()


def ended(run: Run, started: float) -> None:
    """Judge a profile whose guest is off, and return the result."""
    run.judge()
    say(f"{run.profile.name}: {line(run)}", started)
    for problem in run.problems:
        print(f"    {problem}", flush=True)


def line(run: Run) -> str:
    """How one profile ended, for progress and for the summary."""
    seconds = run.guest.seconds if run.guest else 0
    text = f"{run.passed()} passed, {len(run.problems)} failed, {run.skipped()} skipped in {seconds:.0f} s"
    return f"{text}; {run.guest.killed}" if run.guest and run.guest.killed else text


def summary(runs: list[Run], folder: pathlib.Path) -> None:
    """The table at the end; the log of a boot is named where something failed in it."""
    print(f"\n{'profile':22}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for run in runs:
        seconds = run.guest.seconds if run.guest else 0
        print(
            f"{run.profile.name:22}{run.passed():8}{len(run.problems):8}{run.skipped():9}{seconds:9.0f}"
            + (f"  {run.out / 'log'}" if run.problems else "")
        )
    if any(run.problems for run in runs):
        print(f"everything that was recorded: {folder}/PROFILE/share/results")


def compatibility(runs: list[Run], write: bool) -> list[str]:
    """Compare the page with what was measured, or write it; the sections of other profiles stay."""
    tabled = [run for run in runs if run.profile.tabled]
    text = page.whole({run.profile.name: page.section(run.profile, run.host, run.verdicts) for run in tabled})
    if write:
        page.PAGE.write_text(text, encoding="utf-8")
        return []
    return page.stale(text)


def seed(word: str) -> int:
    """The seed that the command line names; "random" draws one. Raises ArgumentTypeError."""
    if word == "random":
        return random.randrange(1, MOST_SEEDS)
    if word.isascii() and word.isdigit() and int(word[:11]) < MOST_SEEDS:
        return int(word[:11])
    raise argparse.ArgumentTypeError(f"{word!r} is neither a number from 0 to {MOST_SEEDS - 1} nor 'random'")


def options_of(arguments: list[str], known: list[profiles.Profile]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="run.sh", description="Boot real kernels and hold cgshim against them.")
    names = (f"{profile.name}{'*' * (profile.second + profile.alone)}" for profile in known)
    parser.add_argument("profile", nargs="*", help=f"default: all without * of {', '.join(names)}")
    parser.add_argument("--all", action="store_true", help="those with *, too")
    parser.add_argument("--results", type=pathlib.Path, help="keep all results and logs in this folder")
    parser.add_argument("--again", action="store_true", help="boot nothing, judge what --results holds")
    of_what = f"of the resources objects that are drawn: a number, or 'random' (default: {SEED})"
    parser.add_argument("--seed", type=seed, default=SEED, help=of_what)
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/compatibility.md")
    parser.add_argument("--capture", action="store_true", help="write the captured trees to tests/hosts/")
    options = parser.parse_args(arguments)
    unknown = set(options.profile) - {profile.name for profile in known}
    if unknown:
        parser.error(f"no such profile: {', '.join(sorted(unknown))}")
    if options.again and not options.results:
        parser.error("--again needs --results")
    return options


def main(arguments: list[str]) -> int:
    """Boot, judge, report; 0 only if everything passed."""
    known = profiles.read()
    options = options_of(arguments, known)
    chosen = profiles.chosen(known, options.profile, options.all)
    folder = options.results or pathlib.Path(tempfile.mkdtemp(prefix="cgshim-matrix-"))
    runs = [Run(profile, folder / profile.name, options.seed) for profile in chosen]
    started = time.monotonic()
    if options.again:
        for run in runs:
            run.guest = boot.Guest(run.out / "share", run.out / "log", 0, "")
            ended(run, started)
    else:
        print(f"random resources objects: --seed {options.seed}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fetch_all(chosen, folder, started)
        run_all(runs, folder, started)
    return conclusion(runs, folder, options)


def conclusion(runs: list[Run], folder: pathlib.Path, options: argparse.Namespace) -> int:
    """Captures, page and summary; the exit status."""
    if options.capture:
        for run in runs:
            trees.keep(run.profile, run.host, run.out / "share/capture")
    outdated = compatibility(runs, options.write)
    summary(runs, folder)
    if outdated:
        print("\ndocs/compatibility.md is not current (run.sh --write):", *outdated, sep="\n")
    failed = sum(len(run.problems) for run in runs) + bool(outdated)
    passed, skipped = sum(run.passed() for run in runs), sum(run.skipped() for run in runs)
    if not failed and not options.results:
        shutil.rmtree(folder)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
