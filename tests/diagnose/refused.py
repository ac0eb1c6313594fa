"""How programs print that the kernel refused an operation on a cgroup: formats of their sources, filled in.

runc: libcontainer/cgroups/fscommon/fscommon.go, file.go, utils.go and process_linux.go of 1.0.0-rc10, 1.0.3, 1.1.15 and
1.5.1. crun: src/libcrun/utils.c, cgroup-setup.c, cgroup-utils.c and cgroup-resources.c of 0.17, 1.8.1 and 1.29.1.
systemd: src/core/cgroup.c and src/shared/cgroup-setup.c. kubelet: pkg/kubelet/cm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Callable, Iterator

Row = dict[str, Any]
# The words of an errno: Go's, then where glibc's or musl's differ by more than the first letter.
GO = {
    "EACCES": "permission denied",
    "EAGAIN": "resource temporarily unavailable",
    "EBUSY": "device or resource busy",
    "EEXIST": "file exists",
    "EINTR": "interrupted system call",
    "EINVAL": "invalid argument",
    "ENAMETOOLONG": "file name too long",
    "ENODEV": "no such device",
    "ENOENT": "no such file or directory",
    "ENOMEM": "cannot allocate memory",
    "ENOSPC": "no space left on device",
    "EOPNOTSUPP": "operation not supported",
    "EOVERFLOW": "value too large for defined data type",
    "EPERM": "operation not permitted",
    "ERANGE": "numerical result out of range",
    "EROFS": "read-only file system",
    "ESRCH": "no such process",
}
GLIBC = {name: words[0].upper() + words[1:] for name, words in GO.items()}
MUSL = {
    **GLIBC,
    "EBUSY": "Resource busy",
    "EOPNOTSUPP": "Not supported",
    "ENOMEM": "Out of memory",
    "ERANGE": "Result not representable",
    "EOVERFLOW": "Value too large for data type",
    "ENAMETOOLONG": "Filename too long",
}
CGROUPS = {"v1": "docker/3f4e8a9b", "v2": "system.slice/docker-3f4e8a9b.scope"}
SCOPE = "Nov 29 09:14:13 node-1 systemd[1]: docker-3f4e8a9b.scope: "
SYSTEMD = "Nov 29 09:14:13 node-1 systemd[1]: "
CRUN = "Error: OCI runtime error: crun: "
DAEMON = "Error response from daemon: OCI runtime create failed: container_linux.go:"
# What each age of runc says before the cause.
RC10 = (
    f'{DAEMON}349: starting container process caused "process_linux.go:449: container init caused '
    r"\"process_linux.go:415: setting cgroup config for procHooks process caused \\\"failed to write "
)
RC10_END = r'\\\"\"": unknown'
TICK = r"\\\\\\\""  # a quote within two quoted messages
SETTING = (
    (
        f"docker: {DAEMON}380: starting container process caused: process_linux.go:545: container init caused: "
        "process_linux.go:508: setting cgroup config for procHooks process caused: "
    ),
    (
        "runc create failed: unable to start container process: error during container init: error setting cgroup "
        "config for procHooks process: "
    ),
)
APPLYING = (
    (
        "OCI runtime create failed: container_linux.go:380: starting container process caused: process_linux.go:385: "
        "applying cgroup configuration for process caused: "
    ),
    "runc create failed: unable to start container process: unable to apply cgroup configuration: ",
)
NEWEST = (  # runc 1.4 and later add what its children said
    "; runc init error(s): nsexec-1[4243]: failed to sync with parent: SYNC_RECVPID_PLS: got 0; nsexec-0[4242]: failed "
    "to sync with stage-1: next state (got 0 of 4 bytes)"
)
EXEC = (
    "OCI runtime exec failed: exec failed: unable to start container process: error executing setns process: error "
    "adding pid 4242 to cgroups: "
)
UPDATE = (
    "Error response from daemon: Cannot update container 3f4e8a9b: runc did not terminate successfully: exit status 1: "
)
ROOTFS = (
    "runc create failed: unable to start container process: error during container init: error mounting "
    '"cgroup" to rootfs at "/sys/fs/cgroup": mount '
)
KLOG = 'E1129 09:14:13.123456    1812 pod_workers.go:1300] "Error syncing pod, skipping" err="'
POD = f"{KLOG}failed to ensure that the pod: 1b2c cgroups exist and are correctly applied: "
LINE_BY_LINE = (
    "blkio.weight_device",
    "blkio.throttle.read_bps_device",
    "cpuset.cpus",
    "cpuset.mems",
    "net_prio.ifpriomap",
)


class Said:
    """The words of one row: the errno by each library, the file, its path, and the cgroup's."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.go, self.glibc, self.musl = (words[row["errno"]] for words in (GO, GLIBC, MUSL))
        self.value = row.get("value", "")
        self.file = row["file"].rpartition("/")[2]
        self.cgroup = CGROUPS[row["layout"]]
        hierarchy = "" if row["layout"] == "v2" else row["file"].partition("/")[0] + "/"
        self.directory = f"/sys/fs/cgroup/{hierarchy}{self.cgroup}"
        self.path = f"{self.directory}/{self.file}"
        self.procs = self.file in ("cgroup.procs", "tasks")
        self.core = self.file.startswith("cgroup.") or self.procs  # crun names these with their path

    @property
    def crun_name(self) -> str:
        """The file as crun names it."""
        return self.path if self.core else self.file


def texts(row: Row) -> Iterator[tuple[str, str]]:
    """Each program's text for one row: (program, text). The row may keep to those that show the path, or the value."""
    said = Said(row)
    needed = {"path": said.path, "value": said.value}.get(row.get("programs", ""), "")
    for program, text in PRINTED[row["operation"]](said):
        if needed in text:
            yield program, text


def _write(said: Said) -> Iterator[tuple[str, str]]:
    if said.procs:
        yield from _joining(said)
    elif said.file == "cgroup.subtree_control":
        yield from _enabling(said)
    else:
        yield from _limiting(said)


def _limiting(said: Said) -> Iterator[tuple[str, str]]:
    value, path, file, go, glibc = said.value, said.path, said.file, said.go, said.glibc
    cause = f'failed to write "{value}": write {path}: {go}'
    yield (
        "runc 1.0-rc10",
        f"{RC10}{TICK}{value}{TICK} to {TICK}{path}{TICK}: write {path}: {go}{RC10_END}",
    )
    for number, before in enumerate(SETTING):
        yield f"runc 1.{number}", f"{before}{cause}: unknown"
    yield "runc 1.5", f"{SETTING[1]}{cause}{NEWEST}"
    yield "runc update", f"{UPDATE}{cause}"
    if said.row["layout"] == "v2" and not said.core:
        yield "runc unified", f'{SETTING[1]}unable to set unified resource "{file}": {cause}'
    yield from _crun_writes(said)
    if file in LINE_BY_LINE:
        yield "crun 1.29, line by line", f"{CRUN}write `{file}`: {glibc}"
    if not said.directory.startswith("/sys/fs/cgroup/cpuset/"):  # systemd sets cpusets on cgroup2 only
        yield "systemd 252", f"{SCOPE}Failed to set '{file}' attribute on '/{said.cgroup}' to '{value}': {glibc}"
        yield "systemd 237", f"{SCOPE}Failed to set {file}: {glibc}"
    escaped = cause.replace('"', r"\"")
    yield "kubelet", f'{POD}failed to set config for cgroup [kubepods burstable pod1b2c]: {escaped}"'


def _joining(said: Said) -> Iterator[tuple[str, str]]:
    cause = f"failed to write 4242: write {said.path}: {said.go}"
    yield "runc 1.0", f"{APPLYING[0]}failed to write 4242 to cgroup.procs: write {said.path}: {said.go}: unknown"
    yield "runc 1.1", f"{APPLYING[1]}{cause}: unknown"
    yield "runc exec", f"{EXEC}{cause}: unknown"
    yield "runc 1.5", f"{APPLYING[1]}{cause}{NEWEST}"
    yield "kubelet", f'{KLOG}failed to move PID 4242 into cgroup: {cause}"'
    yield from _crun_writes(said)
    yield "systemd", f"{SCOPE}Couldn't move process 4242 to requested cgroup '/{said.cgroup}': {said.glibc}"


def _enabling(said: Said) -> Iterator[tuple[str, str]]:
    yield from _crun_writes(said)
    yield "podman", f"Error: write {said.path}: {said.go}"
    yield "systemd", _systemd_enables(said)
    made = rf"failed to create container for [kubepods pod1b2c] : failed to write \"{said.value}\": write {said.path}"
    yield "kubelet", f'{POD}{made}: {said.go}"'


def _systemd_enables(said: Said) -> str:
    verb = "disable" if said.value.startswith("-") else "enable"
    name = said.value[1:] or "memory"
    return f"{SYSTEMD}Failed to {verb} controller {name} for /system.slice ({said.directory}): {said.glibc}"


def _crun_writes(said: Said) -> Iterator[tuple[str, str]]:
    name = said.crun_name
    yield "crun 0.17", f"Error: OCI runtime error: writing file `{name}`: {said.glibc}"
    yield "crun 1.8", f"{CRUN}writing file `{name}`: {said.glibc}"
    yield "crun 1.29", f"{CRUN}write to `{name}`: {said.glibc}"
    yield "crun on musl", f"Error: crun: write to `{name}`: {said.musl}: OCI runtime error"


def _crun_opens(said: Said) -> Iterator[tuple[str, str]]:
    name = said.crun_name
    yield "crun 0.17", f"Error: OCI runtime error: opening file `{name}` for writing: {said.glibc}"
    yield "crun 1.8", f"{CRUN}opening file `{name}` for writing: {said.glibc}"
    yield "crun 1.29", f"{CRUN}open `{name}` for writing: {said.glibc}"
    yield "crun on musl", f"Error: crun: open `{name}` for writing: {said.musl}: OCI runtime error"


def _open(said: Said) -> Iterator[tuple[str, str]]:
    asked = "failed to write 4242: " if said.procs else ""
    for number, before in enumerate(APPLYING if said.procs else SETTING):
        for call in ("open", "openat2"):
            yield f"runc 1.{number} {call}", f"{before}{asked}{call} {said.path}: {said.go}: unknown"
    yield "runc 1.5", f"{(APPLYING if said.procs else SETTING)[1]}{asked}openat2 {said.path}: {said.go}{NEWEST}"
    yield from _crun_opens(said)
    set_config = "failed to set config for cgroup [kubepods burstable pod1b2c]"
    yield "kubelet", f'{KLOG}{set_config}: openat2 {said.path}: {said.go}"'
    yield "systemd", _systemd_opens(said)


def _systemd_opens(said: Said) -> str:
    if said.procs:
        return f"{SCOPE}Failed to attach to cgroup /{said.cgroup}: {said.glibc}"
    if said.file == "cgroup.subtree_control":
        return _systemd_enables(said)
    return f"{SCOPE}Failed to set '{said.file}' attribute on '/{said.cgroup}' to '1': {said.glibc}"


def _create(said: Said) -> Iterator[tuple[str, str]]:
    path = said.path
    yield "runc 1.0-rc10", f"{RC10}{TICK}1{TICK} to {TICK}{path}{TICK}: open {path}: {said.go}{RC10_END}"
    yield from list(_crun_opens(said))[:2]


def _mkdir(said: Said) -> Iterator[tuple[str, str]]:
    place = said.directory
    for number, before in enumerate(APPLYING):
        yield f"runc 1.{number}", f"{before}mkdir {place}: {said.go}: unknown"
    yield "runc 1.5", f"{APPLYING[1]}mkdir {place}: {said.go}{NEWEST}"
    yield "crun 1.8", f"{CRUN}creating cgroup directory `{place}`: {said.glibc}"
    yield "crun 1.29", f"{CRUN}create `{place}`: {said.glibc}"
    yield "crun on musl", f"Error: crun: create `{place}`: {said.musl}: OCI runtime error"
    yield "systemd 237", f"{SCOPE}Failed to create cgroup /{said.cgroup}: {said.glibc}"
    yield "kubelet", f'{POD}failed to create container for [kubepods burstable pod1b2c] : mkdir {place}: {said.go}"'


def _rmdir(said: Said) -> Iterator[tuple[str, str]]:
    place = said.directory
    yield "runc 1.1", f"unable to destroy container: rmdir {place}: {said.go}"
    yield "crun 1.29", f"{CRUN}cannot delete path `{place}`: {said.glibc}"
    yield "crun on musl", f"Error: crun: cannot delete path `{place}`: {said.musl}: OCI runtime error"
    destroyed = "Failed to delete cgroup paths for [kubepods burstable pod1b2c] : unable to destroy cgroup paths"
    yield "kubelet", f'{KLOG}{destroyed}: rmdir {place}: {said.go}"'


def _mount(said: Said) -> Iterator[tuple[str, str]]:
    kind, name = ("cgroup2", "") if said.row["layout"] == "v2" else ("cgroup", said.file)
    place = f"/sys/fs/cgroup/{name}".rstrip("/")
    data = f", data: {name}" if name else ""
    yield "runc 1.1", f"{ROOTFS}cgroup:{place} (via /proc/self/fd/7), flags: 0xf{data}: {said.go}: unknown"
    flags = "MS_NOSUID|MS_NODEV|MS_NOEXEC"
    yield "runc 1.5", f"{ROOTFS}src=cgroup, dst={place}, dstFd=/proc/thread-self/fd/8, flags={flags}{data}: {said.go}"
    yield "crun 1.29", f"{CRUN}mount `{kind}` to `{place[1:]}`: {said.glibc}"
    yield "crun on musl", f"Error: crun: mount `{kind}` to `{place[1:]}`: {said.musl}: OCI runtime error"
    words = {
        "EINVAL": f"wrong fs type, bad option, bad superblock on {kind}, missing codepage or helper program.",
        "EBUSY": f"{kind} already mounted or mount point busy.",
        "EPERM": "permission denied.",
        "ENODEV": f"unknown filesystem type '{kind}'.",
    }
    yield "mount(8)", f"mount: {place}: {words[said.row['errno']]}"
    yield "systemd", f'Failed to mount {kind} (type {kind}) on {place} ({flags} "{name}"): {said.glibc}'


PRINTED: dict[str, Callable[[Said], Iterator[tuple[str, str]]]] = {
    "write": _write,
    "open": _open,
    "create": _create,
    "mkdir": _mkdir,
    "rmdir": _rmdir,
    "mount": _mount,
}
