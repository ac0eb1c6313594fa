"""What newer runtimes log of CRIU's failure, a record for each line of its log, becomes one diagnosis with the cause.

The words are those recorded in the guest criu-4.2 (runc 1.3.6, crun 1.28), in the JSON form that the runtimes give them
there; a program that writes them stands in for the runtime, which fails so only where CRIU works.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from integration.containers import LAUNCHER, SEARCH_PATH, call
from shim.diagnose.records import line_record
from tests.replayed import Case, guests

if TYPE_CHECKING:
    from pathlib import Path

CASES = {case.name: case for case in guests()}
NAMES = ("criu-tcp-runc@criu-4.2", "criu-tcp-crun@criu-4.2", "criu-covered-runc@criu-4.2", "restore-pid-crun@criu-4.2")
STAND_IN = """#!{python}
import shutil, sys
shutil.copyfile({records!r}, sys.argv[sys.argv.index("--log") + 1])
sys.exit(1)
"""


def _records(case: Case) -> str:
    """The text as a JSON log: runc quotes as warnings, crun as errors, in objects of several lines."""
    runc = case.context.runtime == "runc"
    made = []
    for line in case.text.splitlines():
        level, message = line_record(line)
        record = {"level": level or "error", "msg": message, "time": "2026-11-22T18:21:20Z"}
        made.append(json.dumps(record, indent=None if runc else 2))
    return "\n".join(made) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_cause_is_told(name: str, tmp_path: Path) -> None:
    """The first line has the code of the cause, not that CRIU failed."""
    case = CASES[name]
    records, runtime = tmp_path / "records", tmp_path / str(case.context.runtime)
    records.write_text(_records(case))
    runtime.write_text(STAND_IN.format(python=sys.executable, records=str(records)))
    runtime.chmod(0o755)
    environment = {"PATH": SEARCH_PATH, "CGSHIM_RUNTIME": str(runtime), "CGSHIM_CONFIG": str(tmp_path / "none")}
    log = ("--log", str(tmp_path / "log"), "--log-format", "json")
    words = ("checkpoint", "--image-path", str(tmp_path / "image"), "x")
    done = call(["/bin/sh", str(LAUNCHER), "--root", str(tmp_path / "state"), *log, *words], env=environment)
    said = [json.loads(line)["msg"] for line in (tmp_path / "log").read_text().splitlines()]
    assert done.status == 1
    assert said[-1].splitlines()[0].endswith(f" [{case.code}]")
    assert case.evidence in said[-1]
