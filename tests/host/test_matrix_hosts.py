"""Trees captured by the matrix: detection says of each what was found there by trying (truth.json)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.matrix import profiles
from shim.host.captured import CapturedView
from shim.host.detect import detect

TREES = sorted((Path(__file__).resolve().parents[1] / "hosts").glob("matrix-*"))
# Where the cgroup file system is read-only nothing could be tried.
TRIED = [tree for tree in TREES if json.loads((tree / "truth.json").read_text())["tried"]]
SWAP = {"memory.memsw.limit_in_bytes", "memory.swap.max"}


@pytest.mark.parametrize("tree", TRIED, ids=lambda tree: str(tree.name))
def test_placements_are_those_found_by_trying(tree: Path) -> None:
    """Every controller is placed where a child cgroup of the running guest took its value."""
    truth = json.loads((tree / "truth.json").read_text())
    host = detect(CapturedView(str(tree)))
    assert {name: host.version(name) for name in truth["placements"]} == truth["placements"]


@pytest.mark.parametrize("tree", TRIED, ids=lambda tree: str(tree.name))
def test_interface_files_are_those_of_a_child(tree: Path) -> None:
    """Every interface file that a child cgroup of the running guest had is there, and no other; swap follows."""
    truth = json.loads((tree / "truth.json").read_text())
    wanted = ("memory.limit_in_bytes", "memory.max", *sorted(SWAP), "cpu.cfs_burst_us", "cpu.max.burst", "cpu.idle")
    host = detect(CapturedView(str(tree)), wanted=wanted)
    assert {name for name in wanted if host.has(name)} == set(truth["files"]) & set(wanted)
    assert host.swap_accounting.value == bool(SWAP & set(truth["files"]))


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: str(tree.name))
def test_swap_areas_are_those_of_the_guest(tree: Path) -> None:
    """Swap is present where the guest had swap areas."""
    truth = json.loads((tree / "truth.json").read_text())
    assert detect(CapturedView(str(tree))).swap_present.value == truth["swaps"]


def test_compatibility_page_has_every_profile() -> None:
    """docs/compatibility.md has a section for each profile of the matrix, in the table's order, and no other.

    Profiles of random resources objects have none: their cases are others in every run.
    """
    root = Path(__file__).resolve().parents[2]
    table = (root / "integration/matrix/profiles.txt").read_text().splitlines()
    rows = [line.split() for line in table if line.strip() and not line.startswith("#")]
    names = [row[0].rstrip("*") for row in rows if row[4] not in ("random-200", "leaks")]
    page = (root / "docs/compatibility.md").read_text().splitlines()
    assert [line[3:] for line in page if line.startswith("## ")] == ["Enforced cases", *names]


def test_boots_of_a_run() -> None:
    """Names mean what they say; without them a profile marked as a second look boots only with --all."""
    known = profiles.read()
    named = [profile.name for profile in profiles.chosen(known, ["bfq-legacy", "nested"], every=False)]
    assert named == ["bfq-legacy", "nested"]
    every = profiles.chosen(known, [], every=True)
    assert [profile.name for profile in known if profile not in every] == ["leaks-7"]
    assert [profile.name for profile in profiles.chosen(known, [], every=False)] == [
        "unified-6.1",
        "unified-5.10",
        "legacy-6.12",
        "hybrid-memory2-7",
        "hybrid-stragglers",
        "no-v1-memory",
        "memory-off",
        "swapaccount-0",
        "psi-0",
        "occupied-parent",
        "read-only",
        "subtree",
        "subtree-legacy",
        "nested",
        "userns",
        "forged",
        "systemd",
    ]


def test_a_plain_run_has_every_kernel_and_layout() -> None:
    """What a second look leaves out is no kernel, no userland and no kind of layout."""
    known = profiles.read()
    plain = profiles.chosen(known, [], every=False)
    assert {p.kernel for p in plain} == {p.userland for p in plain} == {"bullseye", "bookworm", "trixie", "forky"}
    assert {p.shape for p in plain} == {p.shape for p in known}
