"""Making a cgroup: why the kernel refuses the directory."""

from __future__ import annotations

from shim.diagnose.checks import tree as look
from shim.diagnose.entry import EAGAIN, EEXIST, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, Entry, making

CGROUPS = "Linux Documentation/admin-guide/cgroup-v2.rst"
ENTRIES = (
    Entry(
        code="cgroup-tree-limit-reached",
        title="an ancestor allows no more cgroups below it",
        patterns=(making(EAGAIN),),
        verdict="the cgroup cannot be created: an ancestor limits depth or number of cgroups ({path})",
        cause="An ancestor has reached its cgroup.max.depth or cgroup.max.descendants (EAGAIN). Dying cgroups count.",
        remedy=(
            "grep -H . /sys/fs/cgroup/{{,*/,*/*/}}cgroup.max.d* shows which; write max into the file that is reached.",
        ),
        reference="Linux Documentation/admin-guide/cgroup-v2.rst, Core Interface Files",
        confirm=look.tree_limit,
    ),
    Entry(
        code="cgroup-parent-removed",
        title="the cgroup in which a new one should be made was removed",
        patterns=(making(ENODEV),),
        ambiguous=(r"(?=[^\n]*/sys/fs/cgroup/[^\s/]+/[^\s/])" + making(ENOENT),),
        verdict="{path} cannot be created: the cgroup above it was removed meanwhile",
        cause="Something removed the parent between two steps: systemd (daemon-reload, a slice that became empty), the "
        "end of the pod, or another manager of the same tree.",
        remedy=(
            (
                "Start it again. If it happens again: let only one program manage that part of the tree (Delegate=yes "
                "for the engine's unit; one cgroup driver in the kubelet and the engine)."
            ),
        ),
        reference=CGROUPS,
        tell="ls -d the parent: does it exist? journalctl -b _PID=1 | grep -i removed",
        offer=5,
    ),
    Entry(
        code="cgroup-name-refused",
        title="the name of the cgroup is too long, or has a line break",
        patterns=(making(ENAMETOOLONG), making(EINVAL)),
        verdict="the kernel refuses the name of the cgroup {path}",
        cause="A name between two slashes has at most 255 bytes (ENAMETOOLONG), and no line break (EINVAL); the whole "
        "path at most 4095.",
        remedy=("Shorten cgroupsPath, the container's id, or --cgroup-parent, and look for a stray line break in it.",),
        reference=f"{CGROUPS}, Basic Operations",
    ),
    Entry(
        code="cgroup-exists",
        title="a cgroup of this name exists already",
        patterns=(making(EEXIST),),
        verdict="{path} exists already: another container, or what is left of one, has the same name",
        cause="EEXIST: two containers were given the same cgroupsPath, or an earlier one was not removed.",
        remedy=(
            "cat cgroup.procs in it and below: if it is empty, rmdir it; else stop that container first.",
            "Or choose another id, name or --cgroup-parent.",
        ),
        reference=f"{CGROUPS}, Basic Operations",
    ),
)
