"""What a newcomer's run leaves out, and that CI leaves nothing out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HANGING = "test_timeout_of_hooks_d_is_the_end_of_a_hanging_hook"  # a minute long, and marked so


def _collected(extent: str, *paths: str) -> list[str]:
    """The tests that pytest would run in an environment with this CGSHIM_TESTS, "" for none."""
    environment = {key: value for key, value in os.environ.items() if key not in ("CGSHIM_TESTS", "CI")}
    if extent:
        environment["CGSHIM_TESTS"] = extent
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.parametrize(("extent", "times"), [("sample", 0), ("ci", 2), ("", 2), ("all", 2)])
def test_long_tests_are_left_out_of_a_sample_alone(extent: str, times: int) -> None:
    """Of one file: those that are marked as long, and no others."""
    found = _collected(extent, "integration/test_hooks.py")
    assert sum(HANGING in name for name in found) == times
    assert len(found) > 10


@pytest.mark.parametrize(("extent", "share"), [("sample", 1 / 3), ("ci", 1), ("", 1), ("all", 1)])
def test_of_the_texts_a_sample_is_a_third(extent: str, share: float) -> None:
    """Each form is among those of a sample."""
    found = _collected(extent, "tests/diagnose/test_reported.py")
    whole = [name for name in found if "test_a_reported_text_gets_its_causes" in name]
    pasted = [name for name in found if "test_a_diagnosis_pasted_back_is_the_same" in name]
    assert len(pasted) == -(-len(whole) * share // 1)
    forms = {match[1] for name in found if (match := re.search(r"does_not_matter\[.*-([a-z ]+)\]$", name))}
    assert len(forms) == 16


def test_ci_runs_the_script_as_ci() -> None:
    """`.ci/run` gives --ci, with which the script asks for more than a sample."""
    assert 'exec bash tests/run.sh --ci "$@"' in (ROOT / ".ci/run").read_text()
    script = (ROOT / "tests/run.sh").read_text()
    chosen = script[script.index("export CGSHIM_TESTS=sample") : script.index("\nresults=")]
    for ci, more, expected in (("no", "no", "sample"), ("yes", "no", "ci"), ("yes", "yes", "all")):
        done = subprocess.run(
            ["bash", "-uc", f'ci={ci} all={more}\n{chosen}\nprintf %s "$CGSHIM_TESTS"'],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == expected
