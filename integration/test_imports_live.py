"""The start-up budget of a real call: the interpreter itself reports what `create` imported."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.start.test_imports import ALLOWED, is_cold
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from integration.bundle import Bundle
    from integration.containers import Runtime, Shim

# `gc`, to switch it off, and python-prctl's C module; its Python half would cost `re` and more.
ALLOWED_LIVE = {*ALLOWED, "gc", "_prctl"}
# What the interpreter loads before the first line of ours; `-X importtime` reports these too.
INTERPRETER = {
    *("_frozen_importlib_external", "_imp", "_io", "_thread", "_warnings", "_weakref", "winreg", "marshal", "posix"),
    *("zipimport", "_abc", "abc", "io", "codecs", "_codecs", "encodings", "encodings.aliases", "encodings.utf_8"),
    *("encodings.ascii", "encodings.latin_1", "runpy", "importlib", "time", "_signal"),
}


def _report_imports(shim: Shim, place: Path) -> Path:
    """Make the launcher's interpreter write `-X importtime` to the file that is returned.

    The archive is made first, as installation does.
    """
    subprocess.run(["/usr/bin/python3", "-B", "-m", "shim.start.archive_file"], cwd=ROOT, check=True)
    report = place / "importtime"
    wrapper = place / "python"
    wrapper.write_text(f'#!/bin/sh\nexec /usr/bin/python3 -X importtime "$@" 2>>"{report}"\n')
    wrapper.chmod(0o755)
    shim.extra_environment["CGSHIM_PYTHON"] = str(wrapper)
    return report


def _imported(report: Path) -> set[str]:
    lines = [line for line in report.read_text().splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines} - {"imported package"}


@pytest.mark.parametrize(
    "resources",
    [{"pids": {"limit": 31}}, {"unified": {"pids.max": "31", "memory.max": "67108864"}}],
    ids=["as-it-stands", "rewritten"],
)
def test_create_imports_only_what_is_allowed(
    shim: Shim, bundle: Bundle, container: str, tmp_path: Path, resources: dict[str, object]
) -> None:
    """A `create` that succeeds, with and without a rewrite, imports nothing beyond the allow-list."""
    bundle.configure(resources=resources)
    report = _report_imports(shim, tmp_path)
    shim.must("create", "--bundle", str(bundle.path), container)
    imported = _imported(report)
    own = {name for name in imported if name.split(".")[0] == "shim"}
    assert imported - own - INTERPRETER - ALLOWED_LIVE == set()
    # What every create needs comes from the one file without the import system (tests/start/test_archive.py).
    assert own & {"shim", "shim.start.archive", "shim.call.entry", "shim.planning.plan", "shim.rules.memory"} == set()
    assert {name for name in own if is_cold(name)} == set()


def test_pass_through_starts_no_python(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """`state`, `kill` and `delete` never start the interpreter."""
    bundle.configure()
    shim.must("create", "--bundle", str(bundle.path), container)
    report = _report_imports(shim, tmp_path)
    shim.must("state", container)
    shim.must("kill", container, "KILL")
    shim.must("delete", "--force", container)
    assert not report.exists()


def _count_starts(shim: Shim, place: Path) -> Path:
    """Make every start of an interpreter a line in the file that is returned."""
    starts, wrapper = place / "starts", place / "python"
    wrapper.write_text(f'#!/bin/sh\necho started >>"{starts}"\nexec /usr/bin/python3 "$@"\n')
    wrapper.chmod(0o755)
    shim.extra_environment["CGSHIM_PYTHON"] = str(wrapper)
    return starts


def test_a_run_starts_one_interpreter(shim: Shim, bundle: Bundle, container: str, tmp_path: Path) -> None:
    """The hook that reads the limits back is answered by the cgshim that waits, with every limit in its place."""
    bundle.configure(args=["/bin/true"], resources={"pids": {"limit": 31}, "memory": {"limit": 67108864}})
    starts = _count_starts(shim, tmp_path)
    shim.must("run", "--bundle", str(bundle.path), container)
    assert "--waiting" in bundle.config_path.read_text()  # the hook was there, and could have started one
    assert starts.read_text() == "started\n"


def test_a_hook_that_nobody_waits_for_verifies(
    runtime: Runtime, shim: Shim, bundle: Bundle, container: str, tmp_path: Path
) -> None:
    """The bare runtime with the configuration that an earlier `run` has left: the hook does it by itself."""
    bundle.configure(args=["/bin/true"], resources={"pids": {"limit": 31}})
    starts = _count_starts(shim, tmp_path)
    shim.must("run", "--bundle", str(bundle.path), container)
    runtime.must("run", "--bundle", str(bundle.path), container)
    assert starts.read_text() == "started\nstarted\n"
