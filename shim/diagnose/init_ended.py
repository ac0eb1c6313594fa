"""The container's init ended between the runtime's success and the read-back: what is proven, and why it ended.

A dead process is in no cgroup of its own, so limits are read from the cgroups in the runtime's record. Why it ended
shows in that cgroup's own counter of kills, in the kernel's log about that cgroup, in the kernel's record of a seccomp
action on that process, in the profile, and in the wait status of a process that nobody has waited for yet.
"""

from __future__ import annotations

import posix

from shim.containers.recorded import recorded
from shim.diagnose.oom import pressure
from shim.enforce import verify
from shim.enforce.unverified import not_applied
from shim.errors import ShimError
from shim.observe import kernel_log, oom
from shim.oci.text import Malformed, parse
from shim.planning import settings
from shim.rules.base import GUARD
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from shim.enforce.follow_up import Notices, Subject
    from shim.enforce.init_process import Fate
    from shim.errors import Level
    from shim.host.view import View
    from shim.planning.rewrite import Rewrite

LETS_PASS = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")  # seccomp(2): with these actions the system call still runs
# System calls of the init after the filter is loaded: wait for `start` at a FIFO, then exec.
NEEDED = ("openat", "read", "write", "close", "futex", "execve", "exit_group")
SIGNALS = {6: "SIGABRT", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM", 31: "SIGSYS"}  # signal(7): those that end an init
SECCOMP = "type=1326"  # include/uapi/linux/audit.h, AUDIT_SECCOMP


class Reason(Value):
    """Why it ended. words: completes "the init ended: "; "" if only the wait status is known."""

    words: str = ""
    cause: str = ""
    evidence: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()


def notices(view: View, subject: Subject, made: Rewrite, fate: Fate) -> Notices:
    """Return (level, text) notices for a container that was updated or restored and has already ended.

    Raises ShimError `init-ended` for one that was created and can never be started, and `limit-not-applied` if the
    container's own cgroup shows another value than the requested guard.
    """
    found = recorded(subject.root, subject.container)
    own = found.memberships(made.host) if found else {}
    if made.asked.command not in ("update", "restore"):
        raise _never_started(view, subject, made, fate, own)
    findings = verify.verify(view, subject.pid, made.plan.expectations, made.host, own)
    lost = tuple(one for one in findings if one.expectation.kind == GUARD and one.found)
    if lost and made.policy != settings.WARN:
        raise not_applied(lost, made)
    level: Level = "info" if own else "warning"  # without a record of its cgroups nothing shows their limits
    return [(level, f"cgshim: the init of container {subject.container} has ended: {_ending(fate)}; {fate.evidence}")]


def _never_started(view: View, subject: Subject, made: Rewrite, fate: Fate, own: dict[str, str]) -> ShimError:
    log = kernel_log.records()
    lines = [text for _, text in log or ()]
    reason = _killed_for_memory(view, made, own, lines) or _seccomp(made, subject, lines) or Reason()
    unread = () if log is not None else ("/dev/kmsg cannot be read, so the kernel's log was not looked at",)
    return ShimError(
        "init-ended",
        f"the init of container {subject.container} ended before it could be started: {reason.words or _ending(fate)}",
        cause=reason.cause or "neither the container's cgroup nor the kernel's log of it shows the reason",
        evidence=(*reason.evidence, f"{fate.evidence}, {_ending(fate)}", *unread),
        remedy=reason.remedy or ("look at what the runtime wrote before, and at `dmesg`",),
    )


def _killed_for_memory(view: View, made: Rewrite, own: dict[str, str], lines: list[str]) -> Reason | None:
    version = made.host.version("memory")
    path = own.get("" if version == 2 else "memory", "")
    directory, _ = verify.cgroup(view, own, "memory", version, made.host)
    if not directory or not path.strip("/"):
        return None
    counted = pressure(view, directory)
    kills = oom.kills(lines, path, anywhere=made.host.cgroup_view.value != "host")
    if not kills and not (counted and counted.kills):
        return None
    logged = tuple(
        f"kernel log: killed process {kill.pid} ({kill.name}) in {kill.victim}, out of memory in {kill.limited}"
        for kill in kills
    )
    return Reason(
        words="the kernel killed it for memory",
        cause=f"the memory limit is too small for {made.asked.family}'s own init, which runs below it first",
        evidence=(*logged, *(counted.evidence if counted else ())),
        remedy=("raise the container's memory limit (memory.limit); runc's init alone takes several MiB",),
    )


def _seccomp(made: Rewrite, subject: Subject, lines: list[str]) -> Reason | None:
    profile = _profile(made)
    if not profile:
        return None
    logged = tuple(f"kernel log: {line}" for line in lines if SECCOMP in line and f" pid={subject.pid} " in line)
    action, refused = str(profile.get("defaultAction")), _refused(profile)
    if not logged and not refused:
        return None
    shown = (f"linux.seccomp: defaultAction {action}, {', '.join(refused)} not allowed",) if refused else ()
    return Reason(
        words="its seccomp profile refuses system calls that it needs",
        cause="the filter is loaded before the process is started, so the runtime's own init runs below it",
        evidence=(*logged, *shown),
        remedy=("allow these system calls in the profile, or start from the engine's default profile",),
    )


def _profile(made: Rewrite) -> dict[str, Any]:
    """Return `linux.seccomp`, which the document does not parse; {} if there is none."""
    text = made.document.part("linux", "seccomp") if made.where else ""
    try:
        profile = parse(text) if text else None
    except Malformed:  # deeper than what is parsed here
        profile = None
    return profile if isinstance(profile, dict) else {}


def _refused(profile: dict[str, Any]) -> list[str]:
    """Return the required system calls that no rule of the profile allows."""
    if profile.get("defaultAction") in LETS_PASS:
        return []
    passing: set[str] = set()
    for rule in profile.get("syscalls") or ():
        if isinstance(rule, dict) and rule.get("action") in LETS_PASS:
            passing.update(name for name in rule.get("names") or () if isinstance(name, str))
    return [name for name in NEEDED if name not in passing]


def _ending(fate: Fate) -> str:
    if fate.status is None:
        return "its exit status is no longer known"
    if posix.WIFSIGNALED(fate.status):
        number = posix.WTERMSIG(fate.status)
        name = SIGNALS.get(number)
        return f"killed by signal {number}" + (f" ({name})" if name else "")
    return f"exit status {posix.WEXITSTATUS(fate.status)}"
