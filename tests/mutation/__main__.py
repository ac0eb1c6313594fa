"""Sampled mutants of the modules that decide about limits, each against the tests of its module, its room, all rooms.

`python -m tests.mutation [--count N] [--seed N] [MODULE...]` works in a copy of the tree, prints each survivor with its
line, and ends with status 1 if there is one, 2 if tests fail without a mutant. It prints its seed, so that a run can be
repeated.
"""

from __future__ import annotations

import argparse
import itertools
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutation.mutants import mutant, places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.mutation.mutants import Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("rules", "planning", "enforce", "oci")
MODULES = tuple(
    f"shim/{room}/{path.stem}"
    for room in ROOMS
    for path in sorted((ROOT / "shim" / room).glob("*.py"))
    if path.stem != "__init__"
)
# What sees the joints between modules; tests that draw are left out, because they do not fail every time.
WIDER = (*(f"tests/{room}" for room in ROOMS), "tests/model/test_model_found.py")
MOST = 300  # seconds of processor time, however busy the machine is; a mutant that never ends is noticed, too
PATIENCE = 3600  # seconds, for one that waits for ever


def own_tests(module: str) -> list[str]:
    """The tests of a module, and those of its room."""
    _, room, name = module.split("/")
    own = f"tests/{room}/test_{name}.py"
    return [*([own] if (ROOT / own).exists() else []), f"tests/{room}"]


def _noticed(place: Path, tests: str) -> bool:
    line = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests]

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (MOST, MOST))

    try:
        done = subprocess.run(line, check=False, cwd=place, capture_output=True, timeout=PATIENCE, preexec_fn=bounded)
        return done.returncode != 0
    except subprocess.TimeoutExpired:
        return True


def _survives(place: Path, module: str, changed: Mutant) -> bool:
    path = place / f"{module}.py"
    before = path.read_text()
    path.write_text(changed.text)
    try:
        return not any(_noticed(place, tests) for tests in (*own_tests(module), *WIDER))
    finally:
        path.write_text(before)


def main() -> int:
    """Draw, try, and print what nobody noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="how many mutants are drawn, of all modules together")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("modules", nargs="*", help="shim/rules/cpu and the like; default: all that decide about limits")
    asked = parser.parse_args()
    drawn = _drawn(asked.modules or MODULES, asked.count, random.Random(asked.seed))
    _say(f"seed {asked.seed}: {len(drawn)} mutants")
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "tree"
        shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        broken = [tests for tests in WIDER if _noticed(place, tests)]
        if broken:
            _say(f"these fail without any mutant: {' '.join(broken)}")
            return 2
        for module, one in drawn:
            if _survives(place, module, one):
                survivors += 1
                _say(f"survived: {module}.py:{one.line}: {one.what}")
    _say(f"{len(drawn) - survivors} of {len(drawn)} noticed")
    return 1 if survivors else 0


def _drawn(modules: Iterable[str], count: int, chance: random.Random) -> list[tuple[str, Mutant]]:
    texts = {module: (ROOT / f"{module}.py").read_text() for module in modules}
    found = [(module, *place) for module, text in texts.items() for place in places(text)]
    chance.shuffle(found)
    made = ((module, mutant(texts[module], place, number)) for module, place, number in found)
    return list(itertools.islice(((module, one) for module, one in made if one), count))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
