"""Proof that a registration works, from the engine's own tool, the kernel and systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from shim.engines import entries
from shim.engines.live_query import QUESTIONS
from shim.engines.real_runtime import is_launcher
from shim.engines.suitability import why_nothing_starts
from shim.errors import ShimError
from shim.planning import settings
from shim.values import Value

if TYPE_CHECKING:
    from shim.engines.registration import Engine, Registration, Request
    from shim.engines.tree import Tree

FINE, WRONG, UNKNOWN, NOTE = "ok", "WRONG", "unknown", "note"
NOT_REGISTERED, NOT_INSTALLED = "not registered", "not installed"
ABSENT = (NOT_REGISTERED, NOT_INSTALLED)
NOT_LOOKED_AT = "-"  # for settings.load: the runtime in the settings is checked here
FLEETING = ("/run", "/tmp", "/var/run", "/dev")  # gone after a reboot, along with the engine's default runtime
PROGRAMS = {
    "podman": ("podman",),
    "docker": ("dockerd",),
    "containerd": ("containerd",),
    "crio": ("crio",),
    "nerdctl": ("nerdctl",),
    "buildkit": ("dockerd", "buildkitd"),
}
PATHS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/bin")
SEEN = "the engine sees it"
PATIENCE = 30  # seconds for an engine's tool


class Check(Value):
    """One check. state: "ok", "WRONG", "unknown" (no tool to ask), "note", or one of ABSENT."""

    state: str
    what: str
    evidence: str

    def shape(self) -> dict[str, str]:
        """As JSON."""
        return {"state": self.state, "what": self.what, "evidence": self.evidence}


def checks(tree: Tree, request: Request, engine: Engine) -> tuple[Check, ...]:
    """Return every check of one engine, each after those that it depends on."""
    present = engine.registered(tree, request)
    if request.name:
        present = tuple(entry for entry in present if entry.name == request.name)
    if not present:
        return (_not_there(tree, engine.NAME),)
    found = []
    for entry in present:
        default = "new containers' default" if entry.default else "not the default"
        found.append(Check(state=FINE, what="registered", evidence=f"{entry.file}: {entry.name} ({default})"))
        found.append(_binary(tree, entry))
        found.append(_seen(tree, engine, entry, request))
        found.append(_pending(tree, engine, entry))
        found.append(real_runtime(tree, entry))
    return tuple(found)


def _not_there(tree: Tree, engine: str) -> Check:
    """Return why there is nothing to check."""
    if absent(tree, engine):
        return Check(state=NOT_INSTALLED, what="registered", evidence=f"no {' or '.join(PROGRAMS[engine])} here")
    return Check(state=NOT_REGISTERED, what="registered", evidence=f"no entry for cgshim in {engine}'s files")


def verdict(found: tuple[Check, ...]) -> int:
    """Return 1 if anything is wrong or not there, 4 if no tool could confirm that the engine sees the entry, else 0."""
    if any(check.state in (WRONG, *ABSENT) for check in found):
        return 1
    return 4 if any(check.state == UNKNOWN and check.what == SEEN for check in found) else 0


def absent(tree: Tree, engine: str) -> tuple[str, ...]:
    """Return a warning if the engine is not installed."""
    if any(tree.executable(f"{place}/{name}") for name in PROGRAMS[engine] for place in PATHS):
        return ()
    names = " or ".join(PROGRAMS[engine])
    return (f"warning: {engine} is not installed here (no {names} in {', '.join(PATHS)}): nothing reads the entry yet",)


def bad_place(tree: Tree, path: str) -> str:
    """Return why a program at this path would be missing or would not run when the engine calls it, "" if it works."""
    for place in FLEETING:
        if path == place or path.startswith(place + "/"):
            return f"{place} is empty after a reboot"
    try:
        if tree.live and os.statvfs(_existing(path)).f_flag & os.ST_NOEXEC:
            return "its file system is mounted noexec"
    except OSError as error:
        return str(error)
    return ""


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def check_binary(tree: Tree, path: str) -> None:
    """Refuse to register a program that the engine cannot call. Raises ShimError."""
    problem = "" if tree.executable(path) else "no executable file is there"
    problem = problem or bad_place(tree, path)
    if problem:
        raise ShimError(
            "bad-binary",
            f"{path} cannot be an engine's runtime: {problem}",
            cause="an engine whose runtime is missing starts no container at all",
            evidence=(f"{tree.at(path)}: {problem}",),
            remedy=("install cgshim in a directory of its own, such as /opt/cgshim", "or name it with --binary"),
        )


def _binary(tree: Tree, entry: Registration) -> Check:
    try:
        check_binary(tree, entry.binary)
    except ShimError as error:
        return Check(state=WRONG, what="executable", evidence=error.what)
    return Check(state=FINE, what="executable", evidence=entry.binary)


def _seen(tree: Tree, engine: Engine, entry: Registration, request: Request) -> Check:
    question = QUESTIONS.get(engine.NAME)
    what = SEEN
    program = shutil.which(question.argv[0]) if question and tree.live else None
    if question is None or program is None:
        why = f"{question.argv[0]} is not installed here" if question and tree.live else "no tool to ask"
        return Check(state=UNKNOWN, what=what, evidence=why)
    argv = [program, *question.reading(request.config), *question.argv[1:], *((entry.name,) if question.named else ())]
    try:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(state=UNKNOWN, what=what, evidence=f"{' '.join(argv)}: {error}")
    if done.returncode != 0:
        first = (done.stderr.strip() or done.stdout.strip()).partition("\n")[0]
        state = UNKNOWN if question.needs_daemon else WRONG
        return Check(state=state, what=what, evidence=f"{' '.join(argv)}: {first}")
    path = question.answer(done.stdout, entry.name)
    if path == entry.binary:
        return Check(state=FINE, what=what, evidence=f"{' '.join(argv)}: {entry.name} is {path}")
    return Check(state=WRONG, what=what, evidence=f"{' '.join(argv)}: {entry.name} is {path or 'not there'}")


def _pending(tree: Tree, engine: Engine, entry: Registration) -> Check:
    """Check whether the service started after the file was written."""
    what = "restart pending"
    if not engine.SERVICE:
        return Check(state=FINE, what=what, evidence=f"no: {engine.NAME} reads its files at every call")
    started = _started(engine.SERVICE) if tree.live else None
    if started is None:
        return Check(state=UNKNOWN, what=what, evidence=f"systemd does not report when {engine.SERVICE} started")
    if started == 0:
        return Check(state=NOTE, what=what, evidence=f"no: {engine.SERVICE} is not running")
    changed = os.stat(tree.at(entry.file)).st_mtime
    if started >= changed:
        return Check(state=FINE, what=what, evidence=f"no: {engine.SERVICE} started after {entry.file} was written")
    return Check(
        state=WRONG, what=what, evidence=f"{entry.file} is newer than the running {engine.SERVICE}: {engine.APPLY}"
    )


def _started(service: str) -> float | None:
    """Return when the service's process started, in seconds since 1970; 0 if it does not run, None if unknown."""
    if not os.path.isdir("/run/systemd/system") or not shutil.which("systemctl"):
        return None
    argv = ["systemctl", "show", service, "--property=ActiveState,ExecMainStartTimestampMonotonic"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return start_time(done.stdout, time.time() - time.monotonic())


def start_time(shown: str, booted: float) -> float | None:
    """Return the start time from the lines of `systemctl show`. booted: when the monotonic clock was zero."""
    values: dict[str, Any] = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    if values.get("ActiveState", "active") != "active":
        return 0
    microseconds = values.get("ExecMainStartTimestampMonotonic", "")
    return booted + int(microseconds) / 1e6 if microseconds.isdigit() and microseconds != "0" else None


def real_runtime(tree: Tree, entry: Registration) -> Check:
    """Check the real runtime that cgshim would run for this entry."""
    what = "the real runtime"
    try:
        settings.load(os.environ if tree.live else {"CGSHIM_CONFIG": tree.at(settings.PATH)}, in_use=NOT_LOOKED_AT)
        path, origin = entries.runtime_of(tree, entry.binary)
    except ShimError as error:
        return Check(state=WRONG, what=what, evidence=error.what)
    reason = why_nothing_starts(tree, path)
    if reason:
        return Check(state=WRONG, what=what, evidence=f"{path} ({origin}): {reason}")
    if path and tree.executable(path) and not is_launcher(tree, path):
        return Check(state=FINE, what=what, evidence=f"{path} ({origin})")
    if not path and not tree.live:
        return Check(state=UNKNOWN, what=what, evidence="none in the standard directories")
    problem = f"{path} is not a runtime that can be executed ({origin})" if path else f"there is none: {origin}"
    return Check(state=WRONG, what=what, evidence=problem)
