"""The start-up budget: what an intercepted call may import, as an explicit list.

The budget is milliseconds on every container start. The list is the test: a new module on it is a decision.
`integration/test_imports_live.py` asks the same of a real call.
"""

from __future__ import annotations

import fnmatch
import subprocess
import sys

from tests.syntax import ROOT, modules

# Of the standard library, over what a bare `python -IS` has loaded already. All built in, except `__future__`, which
# shim.start.archive leaves out. Not among them is `os`: shim.system says what stands in for it.
ALLOWED = {"__future__", "errno", "math", "_json", "_signal", "time", "posix"}
# Loaded only after a failure, by people's tools, or for captured hosts.
COLD = (
    "shim.cli*",
    "shim.audit*",
    "shim.watch*",
    "shim.containers.*",
    "shim.engines*",
    "shim.stages*",
    "shim.observe*",
    "shim.watch*",
    "shim.diagnose*",
    "shim.start.exhaustion",
    "shim.start.host_errors",
    "shim.call.failure",
    "shim.start.archive_file",
    "shim.start.import_fault",
    "shim.host.inspection",
    "shim.host.negotiation",
    "shim.host.capture*",
)

HOT = ("shim.containers.state_files",)  # the one module of its room that an intercepted call needs

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
for name in sys.argv[2:]:
    __import__(name)
print("\\n".join(sorted(set(sys.modules) - before)))
"""


def is_cold(name: str) -> bool:
    """Is a module of ours one that no successful intercepted call may load."""
    return name not in HOT and any(fnmatch.fnmatch(name, pattern) for pattern in COLD)


def _imported_by(names: list[str]) -> set[str]:
    """What a fresh isolated interpreter loads for these modules."""
    argv = [sys.executable, "-IS", "-c", PROGRAM, str(ROOT), *names]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_hot_modules_import_only_what_is_allowed() -> None:
    """Everything that an intercepted call may import loads nothing beyond the allow-list, and nothing cold."""
    hot = [module.dotted for module in modules("shim") if not is_cold(module.dotted)]
    assert "shim.call.entry" in hot
    imported = _imported_by(hot)
    assert {name for name in imported if name.startswith("shim") and is_cold(name)} == set()
    assert {name for name in imported if name.split(".")[0] != "shim"} - ALLOWED == set()


def test_the_package_itself_imports_nothing() -> None:
    """`import shim` loads the package's own file and nothing else, so that the version costs nothing."""
    assert _imported_by(["shim"]) == {"shim"}


def test_the_measurement_sees_a_slow_import() -> None:
    """The method is able to fail: a standard module that is not on the list shows up."""
    assert "json.decoder" in _imported_by(["json"]) - ALLOWED
