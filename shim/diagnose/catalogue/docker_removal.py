"""What docker and other engines cannot take away, or find left over, because a mount or a layer is still there."""

from __future__ import annotations

from shim.diagnose.entry import EBUSY, Entry

ENTRIES = (
    Entry(
        code="container-root-busy",
        title="docker cannot remove a container: something else still holds its mounts",
        patterns=(
            rf"failed to remove root filesystem[^\n]*(?:{EBUSY}|Device is Busy|directory not empty)",
            rf"[Uu]nable to remove filesystem[^\n]*{EBUSY}",
            rf"(?:unlinkat|remove|rename) (?P<path>/\S*/(?:docker|containers)/[^\s:]+)(?: /\S+)?: {EBUSY}",
        ),
        verdict="the container was not removed wholly: another mount namespace still has its file system mounted",
        cause="A process that was started while the container ran got a copy of its mounts and keeps it: a service "
        "with PrivateTmp or ProtectSystem, or a container that mounts /, /var/lib/docker or /run (cAdvisor, agents for "
        "logs and backups). On kernels before 3.18 and RHEL before 7.4 that makes the directory busy.",
        remedy=(
            "Directory not empty: docker rm again; a process may still write there, or a mount that is hidden.",
            "grep -l THE-ID /proc/[0-9]*/mountinfo names the processes: restart them, then docker rm again.",
            "RHEL, CentOS 7.4 and later: sysctl -w fs.may_detach_mounts=1; else a newer kernel and docker.",
            "Mount the engine's directory into other containers with :rslave, or not at all.",
        ),
        reference="https://github.com/moby/moby/issues/27381",
        tell="grep -l docker /proc/[0-9]*/mountinfo",
        rank=44,
    ),
    Entry(
        code="process-does-not-die",
        title="a container does not end even when it is killed",
        patterns=(r"Container \w+ failed to exit within \d+ ?s(?:econds)? of kill - trying direct SIGKILL",),
        verdict="the container's processes did not end after SIGKILL: the kernel holds them, or the engine "
        "missed their end",
        cause="A process in state D waits for a disk, NFS or FUSE server or a driver that does not answer, and "
        "dies only "
        "then. A frozen cgroup (docker pause) takes no signal on v1. Or the process is gone, and the shim hangs.",
        remedy=(
            "ps -eo pid,stat,wchan:30,cmd | grep ' D': what do they wait for? dmesg | tail. Mend that, or reboot.",
            "cat freezer.state (v1) or cgroup.freeze of its cgroup: docker unpause first.",
            "No process is left: systemctl restart docker (containerd too), then docker rm -f; upgrade docker.",
        ),
        reference="https://github.com/moby/moby/issues/32938",
        tell="docker inspect NAME --format '{{{{.State.Pid}}}}'; cat /proc/PID/stack",
        rank=40,
    ),
)
