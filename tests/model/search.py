"""Looks for faults among very many calls: `python -m tests.model.search [--calls N] [--seed N] [--jobs N]`.

Draws as many starts and as many updates, judges each as `test_model_against_plans.py` does, prints each call that has a
fault with its number, and ends with status 1 if there is one. A seed gives the same calls again.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import multiprocessing
import random
import sys
import time
from typing import TYPE_CHECKING

from tests.model import requests
from tests.model.judged import BASES, MACHINES, PAIRS, Call, faults

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 5000  # calls that a process judges in one piece
SHOWN = 20  # calls with a fault that are printed
HOSTS = [MACHINES[name] for name in sorted(MACHINES)]


def drawn(chance: random.Random, *, update: bool) -> Call:
    """A call by chance: resources, a host, a runtime with its version, and for an update what the container has."""
    asked, host, (family, version) = requests.drawn(chance), chance.choice(HOSTS), chance.choice(PAIRS)
    return Call(chance.choice(BASES), host, family, version, asked) if update else Call(asked, host, family, version)


def _judged(piece: tuple[int, int, bool, int]) -> list[str]:
    """The faults of one piece: (seed, number of the piece, are they updates, how many calls)."""
    seed, number, update, count = piece
    chance = random.Random(f"{seed} {number} {update}")
    return [f"{_shown(call)}: {fault}" for call in _calls(chance, count, update=update) for fault in faults(call)]


def _shown(call: Call) -> str:
    words = {"create": call.resources, **({} if call.changes is None else {"update": call.changes})}
    return f"{call.host.name} {call.family} {'.'.join(map(str, call.version))} {json.dumps(words)}"


def _calls(chance: random.Random, count: int, *, update: bool) -> Iterator[Call]:
    return (drawn(chance, update=update) for _ in range(count))


def pieces(seed: int, calls: int) -> Iterator[tuple[int, int, bool, int]]:
    """Starts and updates in turn, `calls` of each."""
    for number, first in enumerate(range(0, calls, PIECE)):
        for update in (False, True):
            yield seed, number, update, min(PIECE, calls - first)


def main(words: list[str] | None = None) -> int:
    """The command; its status."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.search", description=__doc__.partition(":")[0])
    parser.add_argument("--calls", type=int, default=1_000_000, help="starts, and updates (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="default: another one each time")
    parser.add_argument(
        "--jobs", type=int, default=multiprocessing.cpu_count(), help="processes (default: %(default)s)"
    )
    asked = parser.parse_args(words)
    print(f"seed {asked.seed}", flush=True)
    judged: collections.Counter[str] = collections.Counter()
    found: list[str] = []
    work = list(pieces(asked.seed, asked.calls))
    with multiprocessing.Pool(asked.jobs) as pool:
        for piece, faulty in zip(work, pool.imap(_judged, work)):
            judged["updates" if piece[2] else "starts"] += piece[3]
            found += faulty
            print(*itertools.islice(faulty, SHOWN), sep="\n", end="\n" * bool(faulty))
            print(f"{judged['starts']} starts, {judged['updates']} updates, {len(found)} faults", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
