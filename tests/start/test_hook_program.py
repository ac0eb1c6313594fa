"""hooks/cgshim-hook: the program that every hook of cgshim's is, in each place where it can be installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.syntax import ROOT

PROGRAM = ROOT / "hooks" / "cgshim-hook"
STATE = b'{"ociVersion": "1.0.2", "id": "web", "bundle": "/b", "annotations": {"a": "%s"}}' % (b"x" * (1 << 18))
HOOK, LAUNCHER = PROGRAM.read_text(), (ROOT / "shim" / "launcher.sh").read_text()


def _function(text: str, name: str) -> str:
    found = re.search(rf"^{name}\(\) {{\n.*?^}}\n", text, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[0]


def _inline(text: str) -> str:
    return text.partition("-BIS -X utf8 -c '")[2].partition("' ")[0]


def test_what_it_shares_with_the_launcher() -> None:
    """The search for package and interpreter, and Python's first lines, except what each of the two must have."""
    locate = _function(LAUNCHER, "cgshim_locate").replace(
        "$cgshim_directory/call/entry.py", "$cgshim_prefix/shim/call/entry.py"
    )
    assert _function(HOOK, "cgshim_locate") == locate
    start, _, end = _inline(LAUNCHER).partition('archive.main("shim.call.entry")')
    assert _inline(HOOK) == f'{start}archive.main("shim.stages." + sys.argv.pop(1)){end}'


def _call(program: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [str(program), *arguments]
    return subprocess.run(argv, check=False, input="{}", capture_output=True, text=True, env=environment, cwd="/")


@pytest.mark.parametrize(
    ("package", "program"),
    [
        ("src/shim", "src/hooks/cgshim-hook"),
        ("prefix/lib/cgshim/shim", "prefix/bin/cgshim-hook"),
        ("venv/lib/cgshim/shim", "venv/bin/cgshim-hook"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_finds_its_package_by_its_own_place(
    tmp_path: Path, state_directory: Path, package: str, program: str, linked: bool
) -> None:
    """With an environment that says only where to keep a refusal: the hook complains of its input, in its own words."""
    place = tmp_path / program
    place.parent.mkdir(parents=True)
    shutil.copy(PROGRAM, place)
    shutil.copytree(ROOT / "shim", tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    if linked:
        (tmp_path / "elsewhere").symlink_to(place)
        place = tmp_path / "elsewhere"
    done = _call(place, "createRuntime", "--runtime", "/usr/sbin/runc", CGSHIM_STATE=str(state_directory))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cgshim: the hook was given a state without ociVersion ")


@pytest.mark.parametrize(("stage", "status"), [("createRuntime", 1), ("precreate", 1), ("poststop", 0), ("cleanup", 0)])
def test_without_its_package(tmp_path: Path, stage: str, status: int) -> None:
    """A guard refuses, with what to do; what only tells or tidies up costs no container."""
    place = tmp_path / "bin" / "cgshim-hook"
    place.parent.mkdir()
    shutil.copy(PROGRAM, place)
    done = _call(place, stage)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == (
        f"cgshim: the Python package that belongs to {place} is missing [no-package]\n"
        "  cause: neither the directory above the hook's nor the lib directory beside it has it\n"
        "  remedy: install cgshim again, or run `cgshimctl hooks remove` where it still runs\n"
    )


def test_the_callers_interpreter(tmp_path: Path) -> None:
    """CGSHIM_PYTHON, which cgshim passes on to its hooks, holds here, too, and nothing stands in for it."""
    mine = tmp_path / "python"
    mine.write_text(f"#!/bin/sh\necho mine\nexec {sys.executable} -c pass\n")
    mine.chmod(0o755)
    assert _call(PROGRAM, "cleanup", CGSHIM_PYTHON=str(mine)).stdout == "mine\n"
    done = _call(PROGRAM, "createRuntime", CGSHIM_PYTHON="/nonexistent/python3")
    assert (done.returncode, "CGSHIM_PYTHON (/nonexistent/python3) is not an executable file" in done.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize("stage", ["", "Poststop", "poststart", "--runtime", "$(id)"])
def test_stage_that_there_is_not(stage: str) -> None:
    """One clear error with the usage, status 1: a hook that does nothing must not look like one that did."""
    done = _call(PROGRAM, stage)
    assert (done.returncode, done.stdout) == (1, "")
    named = stage or "(nothing)"
    assert done.stderr.startswith(
        f"cgshim: {named} is not a stage of cgshim's hooks [bad-hook]\n  remedy: usage: cgshim-hook "
    )


def test_help() -> None:
    """An administrator who meets the program in `podman inspect` may ask it."""
    done = _call(PROGRAM, "--help")
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (0, 1, "")


def test_truncated_program_runs_nothing(tmp_path: Path) -> None:
    """Cut anywhere, it is a syntax error with a status that refuses."""
    place = tmp_path / "cgshim-hook"
    for length in range(20, len(HOOK) - 3, 97):
        place.write_text(HOOK[:length])
        place.chmod(0o755)
        assert _call(place, "createRuntime").returncode != 0, length


def test_the_file_can_be_executed() -> None:
    """In a checkout; packages set the mode by themselves."""
    assert os.access(PROGRAM, os.X_OK)


def _reads_its_state(program: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Call the hook as crun does, with a state that no pipe holds; return its status and stderr.

    Raises BrokenPipeError if it ends before it has read all: crun reports this instead of the hook's words.
    """
    argv = [str(program), *arguments]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/") as hook:
        assert hook.stdin
        assert hook.stderr
        hook.stdin.write(STATE)
        hook.stdin.close()
        return hook.wait(timeout=60), hook.stderr.read().decode()


STAGES = [("createRuntime", 1), ("prestart", 1), ("precreate", 1), ("poststop", 0), ("cleanup", 0)]


@pytest.mark.parametrize(("stage", "status"), STAGES)
@pytest.mark.parametrize("fault", ["no-package", "own-fault", "no-python", "bad-hook"])
def test_reads_its_state_before_it_fails(
    tmp_path: Path, state_directory: Path, fault: str, stage: str, status: int
) -> None:
    """Whatever is missing, the runtime can write the whole state, so that the hook's words are what it reports."""
    (tmp_path / "hooks").mkdir()
    program = Path(shutil.copy(PROGRAM, tmp_path / "hooks"))
    if fault != "no-package":
        shutil.copytree(ROOT / "shim", tmp_path / "shim", ignore=shutil.ignore_patterns("__pycache__"))
    if fault == "own-fault":
        (tmp_path / "shim/stages/call.py").write_text("raise ImportError\n")
    variables = {"CGSHIM_STATE": str(state_directory)}
    if fault == "no-python":
        variables["CGSHIM_PYTHON"] = "/nonexistent/python3"
    words = ["--no-such-option"] if fault == "bad-hook" else []
    ended, told = _reads_its_state(program, stage, *words, **variables)
    assert (ended, f"[{fault}]" in told) == (status, True), told


def test_reads_its_state_before_it_refuses_a_stage() -> None:
    """The same for a stage that there is not."""
    ended, told = _reads_its_state(PROGRAM, "poststart")
    assert (ended, told.startswith("cgshim: poststart is not a stage of cgshim's hooks [bad-hook]")) == (1, True)


def test_python_that_is_too_old_reads_its_state() -> None:
    """Also where the interpreter is refused."""
    program = f"import sys\nsys.version_info = (3, 6, 8)\n{_inline(HOOK)}"
    argv = [sys.executable, "-IS", "-c", program, str(ROOT), "poststop"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as hook:
        assert hook.stdin
        assert hook.stderr
        hook.stdin.write(STATE)
        hook.stdin.close()
        assert b"and cgshim needs 3.7 or newer" in hook.stderr.read()
        assert hook.wait(timeout=60) == 0
