"""The processes that know of containers (shims, conmons, engines' daemons), and the cgroups of every process."""

from __future__ import annotations

from shim.host import process
from shim.values import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.containers.tree import HostTree

SHIM, CONMON, DOCKERD, CONTAINERD, KUBELET, CRIO = "shim", "conmon", "dockerd", "containerd", "kubelet", "crio"
KINDS = {"conmon": CONMON, "dockerd": DOCKERD, "containerd": CONTAINERD, "kubelet": KUBELET, "crio": CRIO}
KERNEL_THREAD = 0x00200000  # PF_KTHREAD of the flags in /proc/PID/stat (linux/sched.h)
ENDED = ("Z", "X")  # zombie, dead


class Process(Value):
    """One such process. argv: its command line. elsewhere: its mount namespace if its paths are not ours, else "".

    user: its owner; anybody can start a program named conmon.
    """

    pid: int
    kind: str
    argv: tuple[str, ...]
    cwd: str = ""
    elsewhere: str = ""
    user: int = 0

    def option(self, *names: str) -> str:
        """Return the value of an option, as `-b V`, `--b V` or `--b=V`; "" if it is not there."""
        return next(iter(self.options(*names)), "")

    def options(self, *names: str) -> list[str]:
        """Return all values of an option that may be repeated."""
        found = []
        for position, word in enumerate(self.argv):
            name, equals, value = word.partition("=")
            if name in names:
                found.append(value if equals else self.argv[position + 1] if position + 1 < len(self.argv) else "")
        return found


class Census(Value):
    """The parts of /proc that the inventory needs. cgroups: pid -> content of its /proc/PID/cgroup."""

    processes: tuple[Process, ...]
    cgroups: dict[int, str]
    problems: tuple[str, ...] = ()


def census(tree: HostTree) -> Census:
    """Look at every process once. Those that end meanwhile are left out."""
    # For a host that is seen from inside a container, compare with its init instead of this process.
    ours = (tree.link("/proc/1/ns/mnt") if tree.root else "") or tree.link("/proc/self/ns/mnt")
    found, cgroups, hidden = [], {}, 0
    for name in tree.names("/proc"):
        if not name.isdigit():
            continue
        line = tree.read(f"/proc/{name}/cmdline")
        if not line:
            continue  # a kernel thread, or gone
        text = tree.text(f"/proc/{name}/cgroup")
        if text is None:
            hidden += 1
        else:
            cgroups[int(name)] = text
        kind = kind_of(line)
        if kind:
            argv = tuple(word.decode("utf-8", "surrogateescape") for word in line.rstrip(b"\0").split(b"\0"))
            theirs = tree.link(f"/proc/{name}/ns/mnt")
            cwd = tree.link(f"/proc/{name}/cwd") if kind == SHIM else ""
            away = theirs if ours and theirs != ours else ""
            user = tree.owner(f"/proc/{name}")
            found.append(Process(pid=int(name), kind=kind, argv=argv, cwd=cwd, elsewhere=away, user=user))
    told = (f"/proc: the cgroups of {hidden} processes cannot be read",) if hidden else ()
    return Census(processes=tuple(found), cgroups=cgroups, problems=told)


def kind_of(line: bytes) -> str:
    """Return the kind of process with this command line, "" for any other."""
    program = line.partition(b"\0")[0].rpartition(b"/")[2].decode("utf-8", "replace")
    if program.startswith("containerd-shim"):
        return SHIM
    return KINDS.get(program, "")


def unlisted(tree: HostTree, pid: int) -> str | None:
    """Return /proc/PID/cgroup of a process that the census leaves out, None if it has ended or is a kernel thread.

    A command line is empty in the middle of execve(2), and for a process that was started without arguments.
    """
    stat = _stat(tree, pid) if pid else ""
    flags = process.field(stat, process.FLAGS)
    kernel_thread = flags.isdecimal() and int(flags) & KERNEL_THREAD
    if kernel_thread or process.field(stat, process.STATE) in ("", *ENDED):
        return None
    return tree.text(f"/proc/{pid}/cgroup")


def start_time(tree: HostTree, pid: int) -> int:
    """Return when the process started, in clock ticks since boot (field 22 of /proc/PID/stat); 0 if it is gone."""
    found = process.field(_stat(tree, pid), process.STARTED)
    return int(found) if found.isdecimal() else 0


def parent(tree: HostTree, pid: int) -> int:
    """Return the parent's pid (field 4 of /proc/PID/stat); 0 if the process is gone."""
    return process.parent(_stat(tree, pid))


def _stat(tree: HostTree, pid: int) -> str:
    return tree.text(f"/proc/{pid}/stat") or ""
