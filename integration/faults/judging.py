"""What must hold after a fault, whatever it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from integration.faults.scenarios import CREATING

if TYPE_CHECKING:
    from integration.faults.injecting import Fault, Outcome
    from integration.faults.scenarios import Workspace

KINDS = {
    "hang": "the call does not end",
    "config-broken": "config.json is neither the old nor the new one, or has another mode",
    "limit-lost": "the call succeeds, and the kernel does not show a limit that was asked for",
    "no-container": "the call succeeds, and the runtime has no container",
    "container-left": "the call fails, and its container is there",
    "left-behind": "a file of cgshim's own that the next call does not clean up",
    "code-changed": "a file of the program came or went",
    "crash": "the interpreter dies of a signal that nobody sent",
    "traceback": "a Python traceback on stderr",
    "own-fault": "an error of the host's is called a fault of cgshim",
    "silent": "the call fails and says nothing, neither on stderr nor in the engine's log",
}


class Violation(NamedTuple):
    """kind: of KINDS. what: details. fault: what was injected. scenario: into which call."""

    kind: str
    what: str
    fault: Fault
    scenario: str

    def __str__(self) -> str:
        """One line, and how to repeat it."""
        return f"{self.kind}: {self.scenario}: {self.fault}\n      {self.what}"


def judge(work: Workspace, fault: Fault, outcome: Outcome) -> list[tuple[str, str]]:
    """The (kind, details) of everything that is wrong after a fault. Cleans up what it finds."""
    found = [*_of_the_call(work, fault, outcome), *_of_the_file(work), *_of_the_container(work, fault, outcome)]
    changed = work.code_changed()
    if changed:
        found.append(("code-changed", ", ".join(changed)))
    if work.left():
        found += _after_the_next_call(work)
    work.sweep()
    return found


def _of_the_call(work: Workspace, fault: Fault, outcome: Outcome) -> list[tuple[str, str]]:
    found = []
    if outcome.status is None:
        found.append(("hang", outcome.err))
    if not fault.ours:
        return found  # the shell's, the dynamic linker's and the interpreter's own words and ends, whatever they are
    if (outcome.status or 0) < 0 and not fault.is_signal:
        found.append(("crash", f"signal {-(outcome.status or 0)}"))
    if "Traceback" in outcome.err:
        found.append(("traceback", outcome.err))
    if "[own-fault]" in outcome.err:
        found.append(("own-fault", outcome.err.strip()))
    if (outcome.status or 0) > 0 and not outcome.err.strip() and not work.logged:
        found.append(("silent", f"status {outcome.status}"))
    return found


def _of_the_file(work: Workspace) -> list[tuple[str, str]]:
    path = work.bundle / "config.json"
    try:
        content, mode = path.read_bytes(), path.stat().st_mode & 0o7777
    except OSError as error:
        return [("config-broken", str(error))]
    if content not in (work.old, work.new) and not _is_new(content, work.new):
        return [("config-broken", content.decode(errors="replace"))]
    return [("config-broken", f"mode {mode:04o}")] if mode != 0o640 else []


def _is_new(content: bytes, new: bytes) -> bool:
    """Is it the new one, whole: a host of which less can be seen is reported as another one, but limited alike."""
    try:
        found, wanted = _without_reports(json.loads(content)), _without_reports(json.loads(new))
    except ValueError:
        return False
    return bool(found == wanted)


def _without_reports(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("annotations", "hooks")}


def _of_the_container(work: Workspace, fault: Fault, outcome: Outcome) -> list[tuple[str, str]]:
    command = work.scenario.command
    if outcome.status == 0:
        if command in CREATING and not work.exists:
            return [("no-container", outcome.err)]
        missing = work.missing()
        return [("limit-lost", "; ".join(missing))] if missing else []
    # Killed by a signal the call ends without a message, and the engine deletes what it does not know the end of.
    if command in CREATING and work.exists and (outcome.status or 0) > 0:
        return [("container-left", outcome.err.strip())]
    return []


def _after_the_next_call(work: Workspace) -> list[tuple[str, str]]:
    """What is left after one more call of the same kind, undisturbed, and its container's end."""
    before = set(work.left())
    work.call_once_more()
    still = sorted(before & set(work.left()))
    return [("left-behind", ", ".join(still))] if still else []
