"""Extension modules by their path: the same modules that an import gives, and nothing where there is none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shim.start import extension
from tests.syntax import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from shim.start import extension
looked = []
sys.addaudithook(lambda event, values: looked.append(str(values[0])) if event == "os.listdir" else None)
before = dict(sys.modules)
found = extension.standard("_json")
listed = list(looked)
import _json
print(_json is found, _json.scanstring('a"', 0, True), "_json" in before, listed)
"""


def test_standard_module_is_the_imported_one_and_no_directory_is_listed() -> None:
    """`_json`, a file of its own with most builds of Python, works and is what a later `import` finds."""
    argv = [sys.executable, "-IS", "-c", PROGRAM, str(ROOT)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True ('a', 2) False []\n", "")


def test_standard_module_that_is_loaded_or_built_in() -> None:
    """It is the one that is there."""
    assert extension.standard("sys") is sys
    assert extension.standard("posix").getpid() > 1


def test_standard_module_that_is_none() -> None:
    """It fails as `import` does."""
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'"):
        extension.standard("no_such_module")


def test_third_party_module_that_is_absent() -> None:
    """Not an error: there is another way."""
    assert extension.third_party("_no_such_module") is None


def test_third_party_module_of_another_interpreter(tmp_path: Path) -> None:
    """A file that cannot be loaded counts as none."""
    (tmp_path / "_broken.so").write_bytes(b"\x7fELF no more")
    assert extension.found("_broken", [str(tmp_path / "nowhere"), str(tmp_path)]) is None
    assert "_broken" not in sys.modules
