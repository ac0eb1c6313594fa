"""The files of a hooks.d directory (podman and CRI-O: oci-hooks(5), schema 1.0.0). Pure.

One file for each stage, named 50-cgshim-STAGE.json; all other files in the directory are foreign.
"""

from __future__ import annotations

import re

from shim.planning import injection
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "1.0.0"
PATTERN = re.compile(r"50-cgshim-(\w+)\.json")
MARK = "cgshim-"  # beginning of argv[0] in every hook of ours
STAGES = ("precreate", "prestart", "createRuntime", "poststop")
DEFAULT = ("precreate", "createRuntime", "poststop")
ANNOTATED = {"annotations": {r"^io\.cgshim\.enable$": "^true$"}}


class Wanted(Value):
    """runtime: path of the real runtime. annotated: only for containers that ask for it. timeout: seconds, 0 for none.

    early: the stage before the start at which the poststop hook records.
    """

    runtime: str
    early: str = "createRuntime"
    annotated: bool = False
    timeout: int = 0


def file_name(stage: str) -> str:
    """Return the name of a stage's file. podman and CRI-O run hooks in the order of names: verify comes before
    recording.
    """
    return f"50-cgshim-{stage}.json"


def content(stage: str, wanted: Wanted) -> dict[str, Any]:
    """Return the object for the file of `stage`."""
    # The account after the end needs a record from before the start.
    stages = [wanted.early, stage] if stage == "poststop" else [stage]
    arguments = ["--runtime", wanted.runtime] if stage != "poststop" else []
    hook = injection.command(stage, arguments)
    if wanted.timeout:
        hook["timeout"] = wanted.timeout
    when = ANNOTATED if wanted.annotated else {"always": True}
    return {"version": VERSION, "hook": hook, "when": when, "stages": stages}


def is_ours(value: Any) -> bool:
    """Return whether cgshim wrote this object; a person may have changed it since."""
    arguments = _arguments(value)
    return bool(arguments) and arguments[0].startswith(MARK)


def is_outdated(value: Any) -> bool:
    """Return whether this is a hook of version 0.1, whose program was in its arguments and no longer works."""
    arguments = _arguments(value)
    return is_ours(value) and arguments[0] != injection.NAME


def needed(value: Any) -> list[str]:
    """Return the files that the hook needs to run: its program and the real runtime."""
    arguments = _arguments(value)
    hook = value.get("hook") if isinstance(value, dict) else None
    path = hook.get("path") if isinstance(hook, dict) else None
    found = [path] if isinstance(path, str) else []
    if "--runtime" in arguments[:-1]:
        found.append(arguments[arguments.index("--runtime") + 1])
    return found


def _arguments(value: Any) -> list[str]:
    hook = value.get("hook") if isinstance(value, dict) else None
    arguments = hook.get("args") if isinstance(hook, dict) else None
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        return []
    return arguments
