"""Where `linux.cgroupsPath` puts the container, and the state of what is there."""

from __future__ import annotations

from shim.diagnose.checks import tree as look
from shim.diagnose.entry import EBUSY, ENOENT, Entry

ENTRIES = (
    Entry(
        code="cgroup-not-empty",
        title="the container's cgroup already holds processes",
        patterns=(
            r"container's cgroup is not empty: (?P<count>\d+) process",
            r"running container in a non-empty cgroup",
        ),
        verdict="the container's cgroup is already in use: it holds processes of something else",
        cause="runc 1.2 and later refuse an occupied cgroup; late 1.1 releases do so with the systemd driver. A "
        "container of the same name may still run.",
        remedy=("runc list; systemd-cgls shows whose processes they are", "Use another container id or cgroupsPath."),
        reference="https://github.com/opencontainers/runc/issues/3132",
        confirm=look.occupied,
    ),
    Entry(
        code="container-cgroup-frozen",
        title="the container's own cgroup is frozen",
        patterns=(r"container's cgroup unexpectedly frozen",),
        verdict="the container's cgroup is frozen, so nothing can start in it",
        cause="The container is paused, or an interrupted pause has left its cgroup frozen.",
        remedy=("{runtime} resume <id>, or: echo 0 > cgroup.freeze (v1: echo THAWED > freezer.state)",),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, cgroup.freeze",
        confirm=look.frozen,
    ),
    Entry(
        code="frozen-ancestor",
        title="an ancestor of the container's cgroup is frozen: the start would hang forever",
        verdict="an ancestor of the container's cgroup is frozen: {path}; the start would hang without a message",
        cause="A process that enters a frozen cgroup stops until the cgroup is thawed. Neither runtime notices.",
        remedy=("echo {thawed} > {path}/{file}",),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, cgroup.freeze",
        foresee=look.frozen_ancestors,
    ),
    Entry(
        code="cgroups-path-is-root",
        title="cgroupsPath is the root cgroup: crun's cleanup would kill everything in it",
        patterns=(rf"cannot delete path [`'\"]?/sys/fs/cgroup/?[`'\"]?: {EBUSY}",),
        verdict="cgroupsPath is the root cgroup: crun would kill every process in it when the container ends",
        cause="crun's cgroupfs driver kills all processes of the container's cgroup when the container ends. With an "
        "empty path or / that is the host's root cgroup.",
        remedy=("Remove linux.cgroupsPath from config.json, or give the container a path of its own.",),
        reference="OCI runtime-spec, config-linux.md, Cgroups Path",
        confirm=look.root_path,
    ),
    Entry(
        code="cgroups-path-escapes",
        title="cgroupsPath leads above the cgroup root",
        patterns=(
            rf"error reading from file [`'\"]?(?P<path>/sys/fs/cgroup/[^`'\"\n]*\.\.[^`'\"\n]*)[`'\"]?: {ENOENT}",
        ),
        ambiguous=(rf"\bopen `(?P<path2>/sys/fs/cgroup/\.\.[^`\n]*)`: {ENOENT}",),  # crun 1.28
        verdict="cgroupsPath leads out of the cgroup file system: {path}",
        cause='The path contains "..". crun appends it to the mount point unchanged, and runc cleans it silently.',
        remedy=("Write linux.cgroupsPath without .. components.",),
        reference="OCI runtime-spec, config-linux.md, Cgroups Path",
        confirm=look.escaping_path,
    ),
    Entry(
        code="cgroup-root-mistaken",
        title="the runtime looks for cgroups one directory too high",
        patterns=(
            r"\b(?:open|mkdir|l?stat|write) (?P<path>/sys/fs/(?:cpuset\.\w+|docker|kubepods|\w+\.slice)[^\s:]*): ",
            rf"\bmkdir : {ENOENT}",
        ),
        verdict="the runtime does not find where the cgroup hierarchies begin, and looks outside of them",
        cause="Old runtimes take the first cgroup mount in /proc/self/mountinfo as the model for all others. A "
        "hierarchy that is mounted elsewhere before them (/cgroup, a bind into a container) misleads them.",
        remedy=(
            "grep cgroup /proc/self/mountinfo: unmount every hierarchy outside /sys/fs/cgroup, or mount it last.",
            "Upgrade runc to 1.0 or later.",
        ),
        reference="https://github.com/opencontainers/runc/pull/1372",
    ),
    Entry(
        code="cgroup-file-not-handed-over",
        title="runc cannot give a file of the cgroup to the container's users",
        patterns=(rf"chown (?P<path>/sys/fs/cgroup/[^\s:]*/[a-z]+\.[\w.]+): {ENOENT}",),
        verdict="runc cannot give {path} to the container's users: this kernel has no such file",
        cause="runc 1.1.0 hands over every file that the kernel names in /sys/kernel/cgroup/delegate, even if its "
        "controller is missing. It does so when /sys/fs/cgroup is mounted writable.",
        remedy=(
            "Upgrade runc to 1.1.1 or later.",
            "Or mount /sys/fs/cgroup read-only into the container (no :rw).",
        ),
        reference="https://github.com/opencontainers/runc/issues/3387",
    ),
)
