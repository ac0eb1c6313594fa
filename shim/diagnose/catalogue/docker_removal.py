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
        code="removal-of-what-is-in-use",
        title="docker does not remove what is still in use",
        patterns=(
            r"You cannot remove a (?P<what>running|paused|restarting) container (?P<name>[\w-]+(?:\.[\w-]+)*)",
            r"remove (?P<name2>\S+): (?P<what2>volume is in use)",
            r"removal of container (?P<name3>\S+) is (?P<what3>already in progress)",
        ),
        verdict="docker does not remove {name}: {what}",
        cause="A running container is removed only with -f. A volume is in use as long as any container has it, "
        "a stopped "
        "one, too. A removal in progress is another command's, or one that hangs on a mount that is busy.",
        remedy=(
            "docker rm -f {name}; for a volume: docker ps -a --filter volume={name}, docker rm these, then the volume.",
            (
                "In progress for minutes: restart docker; grep -l {name} /proc/[0-9]*/mountinfo names who holds its "
                "mounts."
            ),
        ),
        reference="https://docs.docker.com/reference/cli/docker/container/rm/",
        ours=False,
        rank=58,
    ),
    Entry(
        code="storage-drivers-several",
        title="docker finds the data of several storage drivers and does not choose",
        patterns=(r"(?P<path>/\S+) contains several valid graphdrivers: (?P<drivers>[\w, ]+)",),
        verdict="{path} has data of several storage drivers ({drivers}); docker does not guess which it should use",
        cause="docker was started once with another driver (an upgrade of docker or of the kernel, an edited "
        "daemon.json). Each driver has images and containers of its own.",
        remedy=(
            'Name one in /etc/docker/daemon.json: {{"storage-driver": "overlay2"}}. devicemapper: docker up to 24.',
            "Or remove the directory of the other below {path} (its images and containers are lost).",
        ),
        reference="https://docs.docker.com/engine/storage/drivers/select-storage-driver/",
        rank=10,
    ),
    Entry(
        code="layer-lost",
        title="docker's list names a layer that its storage driver does not have",
        patterns=(
            (
                r"(?:[Ee]rror starting daemon|failed to start daemon|failed to (?:create|get|mount|load)[^\n]*): "
                r"layer does "
                r"not exist"
            ),
        ),
        verdict="a container or an image needs a layer that is not in the storage driver's directory",
        cause="The lists (image, containers) and the layers (overlay2, aufs) do not fit together: a power cut, a full "
        "disk, a prune that was broken off, a directory that was deleted or restored by hand, another storage driver.",
        remedy=(
            "docker rm -f the container; docker pull the image again.",
            (
                "If docker does not start: move the newest directory of /var/lib/docker/containers away; as the "
                "last way, "
                "the whole of /var/lib/docker."
            ),
        ),
        reference="https://github.com/moby/moby/pull/18984",
        rank=44,
    ),
    Entry(
        code="container-root-not-removable",
        title="docker cannot remove the files of a container",
        patterns=(
            (
                r"failed to remove root filesystem[^\n]*: (?P<reason>no such file or directory|input/output error|"
                r"structure needs cleaning|operation not permitted|permission denied|stale (?:NFS )?file handle)"
            ),
        ),
        verdict="docker cannot remove the container's layers: {reason}",
        cause="Input/output, structure needs cleaning: the disk or its file system is damaged. No such file: the "
        "layer is "
        "gone already (a directory deleted by hand, a removal that was broken off). Not permitted: a file with "
        "chattr +i "
        "or a label, an engine in an unprivileged container.",
        remedy=(
            (
                "dmesg | tail; damaged: stop docker, fsck the file system below /var/lib/docker; Docker Desktop: "
                "restart it."
            ),
            (
                "No such file: systemctl restart docker, docker rm -f; if it stays: stop docker, move "
                "/var/lib/docker/containers/THE-ID away, start docker."
            ),
            "Not permitted: lsattr -R on the directory, chattr -i.",
        ),
        reference="https://github.com/moby/moby/issues/39189",
        rank=45,
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
