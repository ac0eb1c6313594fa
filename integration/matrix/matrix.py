"""Runs the matrix: `matrix.py [PROFILE...]`; run.sh is its front door."""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

from integration.matrix import boot, profiles

CHECKOUT = profiles.HERE.parents[1]
BOOTS = 2  # at a time; more only slow each other down
TICK = 20  # seconds between two lines of progress


class Run:
    """One profile on its way: what it wrote so far, and how it ended."""

    def __init__(self, profile: profiles.Profile, out: pathlib.Path) -> None:
        self.profile = profile
        self.out = out
        self.started = 0.0
        self.guest: boot.Guest | None = None
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


def fetched(*words: str) -> pathlib.Path:
    """A folder from the cache, downloaded if need be."""
    done = subprocess.run([str(profiles.HERE / "fetch"), *words], stdout=subprocess.PIPE, text=True, check=True)
    return pathlib.Path(done.stdout.strip())


def fetch_all(chosen: list[profiles.Profile]) -> None:
    """Everything that the chosen profiles need, two downloads at a time."""
    kernels = {("kernel", profile.kernel) for profile in chosen}
    wanted = sorted(kernels | {("userland", profile.userland, *profile.packages) for profile in chosen})
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(BOOTS) as pool:
        for words, path in zip(wanted, pool.map(lambda words: fetched(*words), wanted)):
            say(f"{' '.join(words)}: {path.name}", started)


def say(text: str, started: float) -> None:
    """One line of progress, with the time since `started`."""
    print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)


def snapshot(destination: pathlib.Path) -> None:
    """The parts of the checkout that guests use, as they are now."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(CHECKOUT / "shim", destination / "shim", ignore=ignore)
    shutil.copytree(profiles.HERE / "guest", destination / "integration/matrix/guest", ignore=ignore)


def run_one(run: Run, checkout: pathlib.Path) -> None:
    """Boot one profile."""
    run.started = time.monotonic()
    kernel, userland = (
        fetched("kernel", run.profile.kernel),
        fetched("userland", run.profile.userland, *run.profile.packages),
    )
    run.guest = boot.boot(kernel, userland, checkout, run.out, run.profile.kernel_arguments())


def run_all(runs: list[Run], checkout: pathlib.Path, started: float) -> None:
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
        waiting = {pool.submit(run_one, run, checkout): run for run in runs}
        for future in concurrent.futures.as_completed(waiting):
            run = waiting[future]
            future.result()
            assert run.guest is not None
            state = run.guest.killed or f"status {run.guest.status}"
            say(f"{run.profile.name}: {len(run.records())} results in {run.guest.seconds:.0f} s, {state}", started)
    done.set()


def main(arguments: list[str]) -> int:
    """Parse, run, report; 0 only if everything passed."""
    known = profiles.read()
    parser = argparse.ArgumentParser(description="Boot real kernels and hold cgshim against them.")
    parser.add_argument("profile", nargs="*", help=f"default: all of {', '.join(p.name for p in known)}")
    parser.add_argument("--results", type=pathlib.Path, help="keep all results and logs in this folder")
    options = parser.parse_args(arguments)
    unknown = set(options.profile) - {profile.name for profile in known}
    if unknown:
        parser.error(f"no such profile: {', '.join(sorted(unknown))}")
    chosen = [profile for profile in known if not options.profile or profile.name in options.profile]
    folder = options.results or pathlib.Path(tempfile.mkdtemp(prefix="cgshim-matrix-"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    fetch_all(chosen)
    snapshot(folder / "checkout")
    runs = [Run(profile, folder / profile.name) for profile in chosen]
    run_all(runs, folder / "checkout", started)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
