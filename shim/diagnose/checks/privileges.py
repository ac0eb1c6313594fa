"""Checks of owners, modes, rlimits and the privileges that an outer layer leaves to this process."""

from __future__ import annotations

from shim.diagnose.checks.devices import no_sys_resource
from shim.diagnose.facts import CGROUP, SYS_ADMIN, Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.diagnose.entry import Words

# Names of RLIMIT_* by number (include/uapi/asm-generic/resource.h) and their rows in /proc/self/limits.
RLIMITS = {
    "RLIMIT_CPU": ("0", "Max cpu time"),
    "RLIMIT_FSIZE": ("1", "Max file size"),
    "RLIMIT_DATA": ("2", "Max data size"),
    "RLIMIT_STACK": ("3", "Max stack size"),
    "RLIMIT_CORE": ("4", "Max core file size"),
    "RLIMIT_RSS": ("5", "Max resident set"),
    "RLIMIT_NPROC": ("6", "Max processes"),
    "RLIMIT_NOFILE": ("7", "Max open files"),
    "RLIMIT_MEMLOCK": ("8", "Max locked memory"),
    "RLIMIT_AS": ("9", "Max address space"),
    "RLIMIT_LOCKS": ("10", "Max file locks"),
    "RLIMIT_SIGPENDING": ("11", "Max pending signals"),
    "RLIMIT_MSGQUEUE": ("12", "Max msgqueue size"),
    "RLIMIT_NICE": ("13", "Max nice priority"),
    "RLIMIT_RTPRIO": ("14", "Max realtime priority"),
    "RLIMIT_RTTIME": ("15", "Max realtime timeout"),
}


def unprivileged(facts: Facts, words: Words) -> tuple[str, ...]:
    """This process is not root of the initial user namespace."""
    uid = facts.field("Uid").split()[1:2]
    found = (f"/proc/self/status Uid: {uid[0]} (effective)",) if uid and uid[0] != "0" else ()
    return found or ((facts.quote("/proc/self/uid_map"),) if facts.in_user_namespace() else ())


def foreign_owner(facts: Facts, words: Words) -> tuple[str, ...]:
    """The nearest existing ancestor of the path belongs to another user."""
    path = words["path"].rstrip("/")
    while path.startswith(CGROUP):
        found = facts.status(path)
        if found is not None:
            mine = facts.field("Uid").split()[1:2]
            owner = f"{path}: owner {found.uid}:{found.gid}, mode {found.mode:04o}"
            return (owner, f"this process: uid {mine[0]}") if mine and mine[0] not in ("0", str(found.uid)) else ()
        path = path.rpartition("/")[0]
    return ()


def common_ancestor(facts: Facts, words: Words) -> tuple[str, ...]:
    """The directory is this user's, but the caller's own cgroup is outside the delegated subtree."""
    directory, mine = words["path"].rpartition("/")[0], facts.field("Uid").split()[1:2]
    while directory.startswith(CGROUP + "/") and facts.status(directory) is None:
        directory = directory.rpartition("/")[0]  # the runtime has removed the cgroup that it made
    found = facts.status(directory)
    if found is None or not mine or str(found.uid) != mine[0] or mine[0] == "0":
        return ()
    own = facts.own.get("", "")
    return (f"{directory}: owner {found.uid}, this process's own", f"/proc/self/cgroup: {own} (outside it)")


def rlimit_evidence(facts: Facts, words: Words) -> tuple[str, ...]:
    """The requested hard limit is above that of this process, which lacks CAP_SYS_RESOURCE."""
    name = rlimit_name(words)
    asked = _asked(facts, name)
    missing = no_sys_resource(facts)
    if not missing or not name:
        return ()
    return (
        *_current(facts, name),
        *((f"config.json process.rlimits {name} hard = {asked}",) if asked else ()),
        *missing,
    )


def above_nr_open(facts: Facts, words: Words) -> tuple[str, ...]:
    """RLIMIT_NOFILE is above fs.nr_open, which not even root may exceed."""
    asked = _asked(facts, "RLIMIT_NOFILE") if rlimit_name(words) == "RLIMIT_NOFILE" else None
    most = facts.number("/proc/sys/fs/nr_open")
    if asked is None or most is None or asked <= most:
        return ()
    return (f"config.json process.rlimits RLIMIT_NOFILE hard = {asked}", f"/proc/sys/fs/nr_open: {most}")


def rlimit_name(words: Words) -> str:
    """Return RLIMIT_* of the message, from its name or number."""
    return words["name"] or next((name for name, row in RLIMITS.items() if row[0] == words["number"]), "")


def _asked(facts: Facts, name: str) -> int | None:
    for one in facts.config("process", "rlimits") or ():
        if isinstance(one, dict) and one.get("type") == name and isinstance(one.get("hard"), int):
            return int(one["hard"])
    return None


def _current(facts: Facts, name: str) -> tuple[str, ...]:
    title = RLIMITS.get(name, ("", ""))[1]
    for line in (facts.text("/proc/self/limits") or "").splitlines():
        if title and line.startswith(title):
            return (f"/proc/self/limits: {' '.join(line.split())}",)
    return ()


def oom_score(facts: Facts, words: Words) -> tuple[str, ...]:
    """The requested score is below that of this process, which lacks CAP_SYS_RESOURCE."""
    asked, own = facts.config("process", "oomScoreAdj"), facts.number("/proc/self/oom_score_adj")
    if not isinstance(asked, int) or own is None or asked >= own:
        return ()
    return (
        f"config.json process.oomScoreAdj = {asked}",
        f"/proc/self/oom_score_adj: {own}",
        *no_sys_resource(facts),
    )


def cannot_make_namespaces(facts: Facts) -> tuple[str, ...]:
    """CAP_SYS_ADMIN is missing or a seccomp filter is active."""
    found = []
    if facts.capable(SYS_ADMIN) is False:
        found.append(f"/proc/self/status CapEff: {facts.field('CapEff')} (no CAP_SYS_ADMIN)")
    if facts.field("Seccomp") == "2":
        found.append("/proc/self/status Seccomp: 2 (a filter is active)")
    return tuple(found)


def namespaces_out_of_reach(facts: Facts) -> tuple[str, ...]:
    """As `cannot_make_namespaces`. But a rootless user starts with a user namespace and has CAP_SYS_ADMIN in it, so
    only the switches for user namespaces count (user_namespaces(7), sysctl kernel.unprivileged_userns_clone of Debian).
    """
    if not facts.is_user():
        return cannot_make_namespaces(facts)
    off = [
        facts.quote(path)
        for path in ("/proc/sys/kernel/unprivileged_userns_clone", "/proc/sys/user/max_user_namespaces")
        if facts.line(path) == "0"
    ]
    filtered = facts.field("Seccomp") == "2"
    return (*off, *(["/proc/self/status Seccomp: 2 (a filter is active)"] if filtered else []))


def no_namespaces(facts: Facts, words: Words) -> tuple[str, ...]:
    """As `cannot_make_namespaces`."""
    return cannot_make_namespaces(facts)


def namespace_limits(facts: Facts, words: Words) -> tuple[str, ...]:
    """A limit on the number of namespaces is very low."""
    directory = "/proc/sys/user"
    found = []
    for name in facts.names(directory):
        most = facts.number(f"{directory}/{name}")
        if name.endswith("_namespaces") and most is not None and most < 16:
            found.append(f"{directory}/{name}: {most}")
    return tuple(found)


def rootless_v1(facts: Facts, words: Words) -> tuple[str, ...]:
    """An unprivileged process on v1 hierarchies."""
    who = unprivileged(facts, words)
    return (f"cgroup layout: {facts.layout()}", *who) if who and facts.layout() in ("legacy", "hybrid") else ()
